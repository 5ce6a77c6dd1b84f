"""What the README says, taken apart: sentences, commands, code, links and names."""

from __future__ import annotations

import re
import shlex

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STARTERS = (".venv/bin/python -m spfem ", "python -m spfem ", "bash ", "run_all.sh ")


def code_blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [text for name, text in FENCED.findall(README) if name == language]


def plain(text: str) -> str:
    """Text on one line, without the marks of Markdown that only change letters."""
    return " ".join(re.sub(r"\*+", "", text).split())


def sentences() -> list[str]:
    """Every sentence of the prose: no headings, tables, pictures and code."""
    found = []
    for block in re.split(r"\n\s*\n|\n(?=\* )", FENCED.sub("", README)):
        text = plain(re.sub(r"^\* ", "", block.strip()))
        if text and not text.startswith(("#", "|", "![")):
            found += re.split(r"(?<=[.!?]) (?=[A-Z`])", text)
    return found


def code_spans() -> list[str]:
    """What stands `between backticks` outside of blocks."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCED.sub("", README))]


def commands() -> list[list[str]]:
    """The words of each command, in blocks and between backticks."""
    lines = [line for block in code_blocks("bash") for line in block.splitlines() if line.strip()]
    spans = [span for span in code_spans() if span.startswith(STARTERS)]
    return [shlex.split(line, comments=True) for line in (*lines, *spans)]


def links() -> list[str]:
    """Where links and pictures lead."""
    return re.findall(r"\]\(([^)#]+)\)", README)


def notebook_rows() -> list[str]:
    """The names in the table of notebooks."""
    return re.findall(r"^\| `(\d\d_\w+)` \|", README, re.MULTILINE)
