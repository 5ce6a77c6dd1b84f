"""README, CITATION.cff, CHANGELOG, LICENSE and the package say the same."""

from __future__ import annotations

import re
import tomllib

import yaml

import spfem
from tests.conftest import ROOT

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
