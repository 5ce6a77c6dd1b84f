from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from spfem.errors import SettingsError
from spfem.released.kinds import RELEASED_KINDS, import_released, open_released


@pytest.mark.parametrize("kind", RELEASED_KINDS)
def test_every_kind_has_a_module_that_opens_it(kind):
    module, function = RELEASED_KINDS[kind].reader.split(":")
    assert callable(getattr(importlib.import_module(f"spfem.released.{module}"), function))


def test_wrong_requests_are_named_before_a_file_is_touched(tmp_path):
    nowhere, out = tmp_path / "nowhere.pth", tmp_path / "o.safetensors"
    with pytest.raises(SettingsError, match=r"kind must be one of spatial, .* found 'vgg'"):
        open_released("vgg", nowhere)
    with pytest.raises(SettingsError, match=r"must end in .safetensors, found .*o.pth"):
        import_released("ned-renderer", nowhere, tmp_path / "o.pth")
    with pytest.raises(SettingsError, match="ned-renderer was not learned on BGR"):
        import_released("ned-renderer", nowhere, out, keep_channel_order=True)


@pytest.mark.parametrize("module", ["spfem.__main__", "spfem.released.__main__"])
def test_the_help_of_the_command_line_loads_no_torch(module):
    script = (
        f"import sys, {module} as line\n"
        "line.build_parser().format_help()\n"
        "print([name for name in ('torch', 'cv2', 'pandas') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
