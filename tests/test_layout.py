"""Data flows one way: `docs/layout.svg` shows every folder; each imports from rows above it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "spfem"
FOLDERS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
CODE = sorted(PACKAGE.rglob("*.py"))


def _rows():
    """Folder -> height in the picture."""
    picture = (ROOT / "docs" / "layout.svg").read_text()
    return {
        name: int(y) for y, name in re.findall(r'class="folder"[^>]* y="(\d+)">(\w+)<', picture)
    }


def _imported(path):
    """Folders and modules of spfem that a file imports when it runs, also inside functions."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "spfem":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spfem."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            yield from (name[1] for name in names if name[0] == "spfem" and len(name) > 1)


def _unit(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports():
    found = defaultdict(set)
    for path in CODE:
        found[_unit(path)].update(set(_imported(path)) - {_unit(path)})
    return found


def test_the_picture_shows_every_folder():
    assert set(_rows()) == FOLDERS


def test_folders_import_only_from_rows_above():
    rows = _rows()
    against = [
        f"{folder} imports {other}"
        for folder, others in _imports().items()
        if folder in FOLDERS
        for other in others & FOLDERS
        if rows[other] >= rows[folder]
    ]
    assert not against


def test_no_file_of_the_package_imports_in_a_circle():
    imports = _imports()
    done: set[str] = set()
    while left := set(imports) - done:
        ready = {name for name in left if imports[name] & set(imports) <= done}
        assert ready, f"these import each other: {sorted(left)}"
        done |= ready


@pytest.mark.parametrize("name", ["notebooks", "tests"])
def test_the_package_imports_neither_notebooks_nor_tests(name):
    pattern = re.compile(rf"^\s*(from|import) {name}\b", re.MULTILINE)
    assert not [path for path in CODE if pattern.search(Path(path).read_text())]
