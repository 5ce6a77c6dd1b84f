"""The environment that runs is the one that is pinned."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions

import pytest

from spfem.doctor.pins import OF_EVERY_ENVIRONMENT, canonical, installed_versions, read_pins
from tests.conftest import ROOT

PINS = read_pins(ROOT / "constraints.txt")
SOURCES = sorted((ROOT / "spfem").rglob("*.py"))
NOT_PACKAGES = {"onnxruntime", "_typeshed"}  # the user's own ArcFace; types only


def _imported():
    """Modules that spfem imports anywhere, by their first name, without the standard library."""
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"spfem"}


def test_all_that_spfem_imports_is_pinned():
    offered = packages_distributions()
    unpinned = {
        name
        for name in _imported() - NOT_PACKAGES
        if not any(canonical(package) in PINS for package in offered.get(name, [f"{name}-bin"]))
    }
    assert not unpinned


def test_what_is_installed_is_pinned():
    installed = installed_versions()
    moved = {name for name in set(PINS) & set(installed) if PINS[name] != installed[name]}
    if len(moved) > len(PINS) // 4:
        pytest.skip("this environment was not made from constraints.txt")
    assert not {name: (installed[name], PINS[name]) for name in moved}
    assert set(installed) - set(PINS) <= OF_EVERY_ENVIRONMENT
