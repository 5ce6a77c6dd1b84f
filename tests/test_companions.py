"""README, CITATION.cff, CHANGELOG, LICENSE and the package say the same."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

import spfem
from tests.conftest import ROOT
from tests.readme import README, plain

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
PACKAGE_FOLDERS = sorted(path.parent.name for path in (ROOT / "spfem").glob("*/__init__.py"))


def test_licence_and_version_agree():
    newest = re.search(r"^## (\S+), (\S+)$", CHANGELOG, re.MULTILINE)
    assert newest.groups() == (CITATION["version"], str(CITATION["date-released"]))
    assert PROJECT["version"] == spfem.__version__ == CITATION["version"]
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n")
    assert CITATION["license"] == PROJECT["license"]["text"] == "MIT"
    assert "The code is MIT" in README


def test_papers_agree():
    papers = plain(README.partition("## Papers")[2].partition("\n## ")[0])
    assert len(CITATION["references"]) == papers.count(" et al., ") + 1  # one without authors
    for paper in CITATION["references"]:
        people = [one["family-names"] for one in paper["authors"] if "family-names" in one]
        words = [paper["title"], *people[:1]]
        words += [paper["conference"]["name"]] if "conference" in paper else []
        words += [one["value"].replace("arXiv:", "arXiv ") for one in paper.get("identifiers", ())]
        assert [word for word in words if word not in papers] == []
        if "conference" in paper:
            assert str(paper["year"]) in paper["conference"]["name"]


def test_all_authors_are_there_where_that_is_said():
    lacking = [
        paper["title"]
        for paper in CITATION["references"]
        if not all("family-names" in one for one in paper["authors"])
    ]
    assert not (lacking and "has all authors" in README), f"no authors of {lacking}"


def test_citation_has_what_the_format_asks_for():
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["authors"]
    for paper in CITATION["references"]:
        assert {"type", "title", "authors"} <= set(paper)


@pytest.mark.parametrize("folder", PACKAGE_FOLDERS)
def test_layout_names_every_folder(folder):
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "layout.svg"]
    text = " ".join(path.read_text("utf-8") for path in pages)
    assert re.search(rf"\b{folder}\b", text), f"nobody is told what spfem/{folder} is"


def test_files_in_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    spans = re.findall(r"`((?:spfem|tests|data|notebooks|docs)/[\w./]*)`", text)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert spans
    assert [path for path in (*spans, *links) if not (ROOT / path).exists()] == []
