from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from spfem.renderer.stage import make_renderer
from tests.renderer.planted import SETTINGS

SHORT = replace(SETTINGS, base_steps=2, adapt_steps=1)


def refuse():
    pytest.fail("clips were loaded although the renderer exists")


def test_base_and_adapted_renderers_are_made_once(clips, tmp_path):
    base = make_renderer(tmp_path / "base", lambda: clips, SHORT, inputs={"faces": "a"}, seed=0)
    again = make_renderer(tmp_path / "base", refuse, SHORT, inputs={"faces": "a"}, seed=0)
    assert again.digest == base.digest
    for one, two in zip(
        base.renderer.generator.parameters(), again.renderer.generator.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    folder = tmp_path / "ned" / "T01"
    own = make_renderer(folder, lambda: clips[:1], SHORT, inputs={"faces": "a"}, seed=0, base=base)
    assert own.digest != base.digest
    assert len(own.renderer.curve) == 1
    changed = make_renderer(tmp_path / "base", lambda: clips, SHORT, inputs={"faces": "b"}, seed=0)
    assert changed.digest != base.digest


def test_importing_the_renderer_brings_torch_and_numpy_only():
    code = """
import importlib, pkgutil, sys
import spfem.renderer
for module in pkgutil.iter_modules(spfem.renderer.__path__):
    importlib.import_module("spfem.renderer." + module.name)
heavy = {"cv2", "scipy", "matplotlib", "mediapipe", "warp", "av", "tqdm.auto", "safetensors"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
