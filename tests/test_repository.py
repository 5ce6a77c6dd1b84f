"""Promises about the repository itself: pins, notebooks, size, imports."""

from __future__ import annotations

import ast
import json
import re
import subprocess

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
    assert len(lines) <= 150, f"{len(lines)} lines of code"
    tree = ast.parse("\n".join(lines))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert "interact(" not in text
    assert "interactive_output" not in text


def test_files_are_short():
    long = {
        path.name: count for path in SOURCES if (count := len(path.read_text().splitlines())) > 450
    }
    assert not long


def _imports() -> dict[str, set[str]]:
    """Folders and single modules of spfem that each imports, also inside functions."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        unit = path.relative_to(ROOT / "spfem").parts[0].removesuffix(".py")
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
        for_types = {
            id(inner)
            for node in nodes
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            for inner in node.body
        }
        names = found.setdefault(unit, set())
        for node in nodes:
            if not isinstance(node, ast.Import | ast.ImportFrom) or id(node) in for_types:
                continue
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                package, *rest = f"{module}.{alias.name}".strip(".").split(".")
                assert package not in ("notebooks", "tests"), f"{path} imports {package}"
                if package == "spfem" and rest:
                    names.add(rest[0])
        names.discard(unit)
    # The ways up, each inside a function: `edit_video` opens the models that a user names, a metric
    # with `compat` looks up the released arithmetic, the commands of `released` track clips.
    for below, above in (("edit", "run"), ("correlation", "released"), ("released", "run")):
        found[below].discard(above)
    return found


def test_no_part_of_the_package_imports_in_a_circle():
    imports = _imports()
    done: set[str] = set()
    while left := set(imports) - done:
        ready = {name for name in left if imports[name] & set(imports) <= done}
        assert ready, f"these import each other: {sorted(left)}"
        done |= ready


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
        results = [name for name in names if name.startswith(f"figures/reference/{run}/")]
        assert sum((ROOT / name).stat().st_size for name in results) < most_bytes, run
        pages = [name for name in results if name.endswith(".html")]
        allowed = {f"figures/reference/{run}/{name}.html" for name in ("index", "explorer")}
        assert set(pages) <= allowed
    runs = {name.rpartition("/")[0] for name in names if re.match("figures/.+/", name)}
    # Runs write beside the reference; recordings are not redistributed.
    assert all(re.match(r"figures/reference/synthetic-(demo|full)(/|$)", folder) for folder in runs)
    assert not [name for name in names if name.startswith("data/") and name.endswith(".mp4")]
