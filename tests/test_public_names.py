"""What notebooks and the README ask of the package is there and says what it is."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import json
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = {
    "anny", "av", "cv2", "ipywidgets", "jupyterlab", "librosa", "matplotlib", "mediapipe",
    "numba", "pandas", "papermill", "scipy", "seaborn", "sklearn", "warp",
}  # fmt: skip
SOURCES = sorted((ROOT / "spfem").rglob("*.py"))
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in SOURCES
    if "    >>> " in path.read_text("utf-8")
]


def _imported_names() -> set[tuple[str, str]]:
    """Module and name of all that the notebooks and the README's code import from spfem."""
    code = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S
    )
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                lines = "".join(cell["source"]).splitlines()
                code.append("\n".join(line for line in lines if not line.startswith("%")))
    return {
        (node.module, alias.name)
        for text in code
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spfem")
        for alias in node.names
    }


def _offered_names() -> set[tuple[str, str]]:
    """Module and name of all that packages list in `__all__`."""
    packages = [path.parent for path in SOURCES if path.name == "__init__.py"]
    names = [".".join(path.relative_to(ROOT).parts) for path in packages]
    return {
        (name, one)
        for name in names
        for one in getattr(importlib.import_module(name), "__all__", ())
    }


def test_public_names_are_there_and_say_what_they_are():
    names = sorted(_imported_names() | _offered_names())
    assert len(names) > 100
    for module, name in names:
        whole = importlib.import_module(module)
        if not hasattr(whole, name):  # a module of the package
            importlib.import_module(f"{module}.{name}")
        value = getattr(whole, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{module}.{name}"


def test_every_module_says_what_it_is():
    assert [path for path in SOURCES if not ast.get_docstring(ast.parse(path.read_bytes()))] == []


def test_the_contribution_imports_torch_and_numpy_only():
    program = (
        "import sys, spfem.correlation, spfem.manipulator, spfem.renderer, "
        "spfem.correlation.learn_sound, spfem.correlation.maps, spfem.correlation.similarity, "
        "spfem.correlation.retrieval, spfem.statistics; "
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_docstrings_are_true(name):
    module = importlib.import_module(name)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
