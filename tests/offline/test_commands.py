"""Every command answers without a network, also those that talk about files from elsewhere."""

from __future__ import annotations

import sys

import pytest

from spfem.__main__ import COMMANDS
from tests.conftest import ROOT
from tests.offline.network import NoNetwork

HELPS = [(name, "--help") for name in COMMANDS]
START = "import sys; from spfem.__main__ import main; "


@pytest.fixture
def blocked(tmp_path):
    return NoNetwork(tmp_path / "network.log")


@pytest.mark.slow
def test_no_command_asks_for_the_network(blocked):
    script = (
        f"{START}import contextlib\n"
        f"for words in {HELPS!r}:\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main(words)\n"
        "sys.exit(main(['doctor']))\n"
    )
    answer = blocked.run([sys.executable, "-c", script], cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("usage: ") >= len(HELPS)
    assert "free disk" in answer.stdout
    assert blocked.attempts == []
