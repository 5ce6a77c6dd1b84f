"""A built wheel holds every data file of the package, and the models in it load."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import pytest

from spfem.pretrained import PRETRAINED
from tests.conftest import ROOT

pytestmark = pytest.mark.slow  # seconds, but it builds a package


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built without a network, from a copy, so that no build folder is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "spfem", source / "spfem", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    words = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    answer = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--wheel-dir", out, source],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (built,) = out.glob("spfem-*.whl")
    return built


def test_the_wheel_holds_every_file(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("spfem/")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "spfem").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert held == wanted
    for variants in PRETRAINED.values():
        for name in variants.values():
            assert f"spfem/weights/{name}.safetensors" in held


def test_models_load_from_where_the_wheel_is_unpacked(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        "import spfem.correlation as metrics, spfem.manipulator as manipulator\n"
        "metrics.SpatialCoherence.pretrained('speech')\n"
        "metrics.SpatialTemporalCoherence.pretrained()\n"
        "metrics.CrossModalCoherence.pretrained()\n"
        "manipulator.pretrained_manipulator()\n"
        "print(metrics.__file__)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(str(tmp_path))
