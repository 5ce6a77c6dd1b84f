"""Promises about the repository itself: pins, notebooks, size, imports."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOURCES = sorted((ROOT / "spfem").rglob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_thin_clean_and_parametrised(path):
    book = json.loads(path.read_text())
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert re.fullmatch(r"\d\d_[a-z_]+", path.stem)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert book["cells"][0]["cell_type"] == "markdown"
    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    for line in "".join(tagged[0]["source"]).splitlines():
        assert re.fullmatch(r"\w+: \w+ = \S+  # .+", line), line
    text = "\n".join("".join(cell["source"]) for cell in code)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("%")]
    assert len(lines) <= 140, f"{len(lines)} lines of code"
    tree = ast.parse("\n".join(lines))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert "interact(" not in text
    assert "interactive_output" not in text


def test_files_are_short():
    long = {
        path.name: count for path in SOURCES if (count := len(path.read_text().splitlines())) > 450
    }
    assert not long


def test_contribution_imports_torch_and_numpy_only():
    names = (
        "cv2, scipy, pandas, matplotlib, mediapipe, warp, librosa, av, sklearn, seaborn, numba, "
        "dlib, ipywidgets, papermill"
    )
    heavy = names.split(", ")
    script = (
        "import sys, spfem.correlation, spfem.manipulator, spfem.renderer\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def _tracked():
    answer = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.skip("not a git checkout")
    return [name for name in answer.stdout.splitlines() if (ROOT / name).exists()]


def test_repository_is_small_and_clean():
    names = _tracked()
    assert sum((ROOT / name).stat().st_size for name in names) < 50_000_000
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    for run, most_bytes in (("synthetic-demo", 14_000_000), ("synthetic-full", 31_000_000)):
        results = [name for name in names if name.startswith(f"figures/{run}/")]
        assert sum((ROOT / name).stat().st_size for name in results) < most_bytes, run
        pages = [name for name in results if name.endswith(".html")]
        assert set(pages) <= {f"figures/{run}/{name}.html" for name in ("index", "explorer")}
