"""Two runs on the CPU with one number of threads give the same bytes.

The first is the smoke run. The second makes a part of every stage again, each command in a process
of its own, from the corpus to a notebook's figures and an edited video; only times may differ.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spfem.files import file_digest
from spfem.run.artifacts import RECORD_NAME
from spfem.run.workspace import choose_device
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

NAME = "synthetic-smoke"
FIRST, RESULTS = ROOT / "data" / NAME, ROOT / "figures" / NAME
METHOD, ACTOR = "ned+all", "M003"  # every supervision; an actor who is learned from and edited
NOTEBOOKS = ("03", "04")  # figures, tables, and a stage that is learned
STAGES = (  # all that the commands below make; a stage that is missing would compare nothing
    "corpus", "cross_modal/audio", "cross_modal/expression", "cross_modal/image",
    "manipulator/base", "manipulator/ned+all", "pairs", "persons", "renderer/base",
    "renderer/ned+all", "similarity/spatial", "similarity/spatial_speech", "spatial",
    "spatial_speech", "temporal_cm", "temporal_vd",
)  # fmt: skip


def _run(*words: object) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "spfem", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]


def _make(data: Path, stage: str, *words: str) -> None:
    _run("stage", stage, "--scale", "smoke", "--data", data, "--device", "cpu", *words)


def _content(path: Path) -> object:
    """What must be the same of a file: its bytes; of a stage's record what it made from what."""
    if path.name != RECORD_NAME:
        return file_digest(path)
    record = json.loads(path.read_text("utf-8"))
    return {name: record[name] for name in ("digest", "key", "complete")}


def _differing(again: Path, first: Path) -> list[str]:
    """Files of a folder, by name, that the first run made otherwise, or not at all."""
    names = [path.relative_to(again) for path in sorted(again.rglob("*")) if path.is_file()]
    assert names, f"{again} is empty"
    return [
        str(name)
        for name in names
        if name.suffix != ".lock"
        and not ((first / name).exists() and _content(again / name) == _content(first / name))
    ]


@pytest.fixture(scope="module")
def again(smoke, tmp_path_factory):
    """A data folder whose corpus was made anew, as far as the clips of one actor go."""
    if choose_device("auto") != "cpu":
        pytest.skip("the smoke run was made on the GPU, of which nothing is promised")
    made = tmp_path_factory.mktemp("again") / NAME
    shutil.copytree(FIRST / "corpus", made / "corpus")
    for path in sorted(made.rglob("*")):
        if path.is_file() and ACTOR in path.parts:
            path.unlink()
    record = json.loads((made / "corpus" / RECORD_NAME).read_text("utf-8"))
    (made / "corpus" / RECORD_NAME).write_text(json.dumps(record | {"complete": False}))
    _make(made.parent, "corpus")
    return made


@pytest.fixture(scope="module")
def faces(again):
    """The faces of one actor, made anew and moved out of the way of the finished stage."""
    _make(again.parent, "faces", "--actor", ACTOR)
    apart = (again / "faces").rename(again.parent / "faces")
    shutil.copytree(FIRST / "faces", again / "faces")
    (apart / RECORD_NAME).unlink()  # that of an unfinished stage
    return apart


@pytest.fixture(scope="module")
def figures(again, faces):
    """The figures and tables of two notebooks."""
    folder = again.parent / "figures"
    words = ("--scale", "smoke", "--data", again.parent, "--figures", folder, "--device", "cpu")
    for number in NOTEBOOKS:
        _run("reproduce", *words, "--only", number)
    return folder / NAME


@pytest.fixture(scope="module")
def models(again, figures):
    """The data folder with every kind of model, learned anew."""
    _make(again.parent, "renderer", "--actor", ACTOR, "--method", METHOD)
    return again


def test_corpus(again):
    assert _differing(again / "corpus", FIRST / "corpus") == []


def test_faces(faces):
    assert _differing(faces, FIRST / "faces") == []


def test_figures_and_tables(figures):
    made = [path for path in figures.iterdir() if path.suffix in {".pdf", ".png", ".csv"}]
    assert {path.suffix for path in made} == {".pdf", ".png", ".csv"}
    assert [path.name for path in made if _content(path) != _content(RESULTS / path.name)] == []
    assert _differing(figures / "tables", RESULTS / "tables") == []


@pytest.mark.parametrize("stage", STAGES)
def test_stage(stage, models):
    assert _differing(models / stage, FIRST / stage) == []


def test_edited_video(models, tmp_path):
    clip = next(iter(sorted((FIRST / "corpus").glob(f"{ACTOR}/video/front/neutral/level_1/*.mp4"))))
    for name, folder in (("first", FIRST), ("second", models)):
        chosen = ("--models", folder, "--method", METHOD, "--device", "cpu")
        keep = tmp_path / name / "kept"
        out = tmp_path / name / "happy.mp4"
        _run("edit", clip, "--emotion", "happy", *chosen, "--keep", keep, "--out", out)
    assert _differing(tmp_path / "second", tmp_path / "first") == []
