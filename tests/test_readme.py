"""What the README shows works: its commands, options, links, names and code."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch

import spfem.correlation
from spfem.__main__ import build_parser
from spfem.released.__main__ import build_parser as build_released_parser
from spfem.run.verdicts import read_verdicts
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPANS = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCED.sub("", README))]
STARTERS = (".venv/bin/python -m spfem ", "python -m spfem ", "bash ", "run_all.sh ")
MADE_BY_A_RUN = (".venv/", "data/synthetic-")  # not in a fresh clone


def _code_blocks(language: str) -> list[str]:
    return [text for name, text in FENCED.findall(README) if name == language]


def _commands() -> list[list[str]]:
    """The words of each command, in blocks and between backticks."""
    blocks = (block.replace("\\\n", " ") for block in _code_blocks("bash"))
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    spans = [span for span in SPANS if span.startswith(STARTERS)]
    return [shlex.split(line, comments=True) for line in (*lines, *spans)]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_every_command_is_understood(words):
    program, *rest = words
    if program == "bash":
        program, *rest = rest
    if Path(program).name in {"python", "run_all.sh"}:
        options = rest[2:] if program.endswith("python") else ["reproduce", *rest]
        module = rest[1] if program.endswith("python") else "spfem"
        parsers = {"spfem": build_parser, "spfem.released": build_released_parser}
        parsers[module]().parse_args(options)  # a wrong one ends the program
    elif program.endswith(".sh"):
        assert (ROOT / program).exists()
    else:
        assert program.startswith(".venv/bin/")
        assert (ROOT / rest[-1]).exists()


def test_options_in_the_text_exist(capsys):
    known = set()
    for command in ("reproduce", "edit", "stage", "corpus"):
        with pytest.raises(SystemExit):
            build_parser().parse_args([command, "--help"])
        known |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    told = {option for span in SPANS for option in re.findall(r"--[a-z-]+", span)}
    assert told
    assert told <= known


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_and_files_of_the_text_exist(page):
    text = (ROOT / page).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = re.findall(r"`([\w./-]+/[\w.-]+\.\w+)`", text)
    wanted = [path for path in (*links, *paths) if not path.startswith(MADE_BY_A_RUN)]
    assert links
    assert [path for path in wanted if not (ROOT / path).exists()] == []
    tracked = subprocess.run(
        ["git", "ls-files", *links], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode == 0:  # a folder is there for readers if files of it are
        names = tracked.stdout.splitlines()
        assert [one for one in links if not any(name.startswith(one) for name in names)] == []


def committed_results() -> Path | None:
    """Tables of the largest committed run whose check has verdicts of this version."""
    for name in ("synthetic-full", "synthetic-demo"):
        for folder in (ROOT / "figures" / "reference" / name, ROOT / "figures" / name):
            if read_verdicts(folder):
                return folder
    return None


def test_verdicts_are_those_of_the_committed_tables():
    found = re.search(r"<!-- verdicts: begin .*?-->\n(.*?)<!-- verdicts: end -->", README, re.S)
    assert found
    told, folder = found[1].strip(), committed_results()
    if folder is None:
        assert not re.search(r"\d", told)  # no number without a table
    else:
        wanted = "\n\n".join(read_verdicts(folder))
        assert " ".join(told.split()) == " ".join(wanted.split()), f"write there:\n\n{wanted}"


def test_names_in_the_text_exist():
    modules = [word for span in SPANS for word in re.findall(r"\bspfem(?:\.[a-z_]+)+", span)]
    assert modules
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    classes = [span for span in SPANS if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", span)]
    assert classes
    assert [name for name in classes if not hasattr(spfem.correlation, name)] == []


def test_the_metrics_block_runs_as_it_stands(tmp_path, monkeypatch):
    (block,) = _code_blocks("python")
    monkeypatch.chdir(tmp_path)
    generated = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    source = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    names = {"loss": torch.zeros(()), "generated": generated, "source": source}
    exec(compile(block, "README.md", "exec"), names)
    names["loss"].backward()
    assert generated.grad.abs().sum() > 0
    assert source.grad is None
    assert not any(weight.requires_grad for weight in names["metric"].parameters())
