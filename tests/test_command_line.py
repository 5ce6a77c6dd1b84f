"""Arguments of the commands: what is refused, and what reaches a room."""

from __future__ import annotations

import argparse
import inspect
import os
from pathlib import Path

import pytest

from spfem import __main__ as command_line
from spfem.__main__ import COMMANDS, build_parser, main
from spfem.edit.video import EditRequest, EditResult
from spfem.run.notebooks import reproduce

EDIT = ["edit", "clip.mp4", "--out", "out.mp4"]


def _offered() -> set[str]:
    actions = build_parser()._actions
    return set(next(a for a in actions if isinstance(a, argparse._SubParsersAction)).choices)


def test_every_command_is_offered():
    assert _offered() == set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required: COMMAND"),
        (["unheard-of"], "invalid choice"),
        (["reproduce", "--scale", "big"], "invalid choice"),
        (["reproduce", "-p", "x"], "'x' is not NAME=VALUE"),
        (["reproduce", "--only", "1", "--from", "2"], "not allowed with argument"),
        (EDIT, "one of the arguments --emotion --reference is required"),
        ([*EDIT, "--emotion", "bored"], "invalid choice"),
        ([*EDIT, "--emotion", "sad", "--reference", "b.mp4"], "not allowed with argument"),
        (["corpus"], "required: DIR"),
        (["stage", "everything"], "invalid choice"),
        (["stage", "faces", "--processes", "0"], "'0': give 1 or more"),
        (["import-checkpoint", "spatial", "a.pth"], "required: --out"),
        (["doctor", "--unknown"], "unrecognized arguments"),
        (["track", "--out", "x"], "required: CLIP"),
        (["track", "a.mp4", "--out", "x", "--processes", "two"], "'two': give 1 or more"),
        (["audit", "a", "--out", "x", "--processes", "0"], "'0': give 1 or more"),
    ],
)
def test_wrong_words_are_refused(words, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.fixture
def asked(monkeypatch):
    """What the rooms were asked, in place of their work."""
    found = []

    def edit(request):
        found.append(request)
        return EditResult(None, None, request.out, request.comparison if request.compare else None)

    monkeypatch.setattr("spfem.run.notebooks.reproduce", lambda **given: found.append(given))
    monkeypatch.setattr("spfem.edit.edit_video", edit)
    return found


def test_a_run_gets_its_defaults_and_its_options(asked):
    assert main(["reproduce"]) == 0
    words = ["--scale", "full", "--from", "3", "--force", "-p", "a=1", "-p", "b=x=y"]
    assert main(["reproduce", *words]) == 0
    plain, changed = asked
    defaults = {n: p.default for n, p in inspect.signature(reproduce).parameters.items()}
    assert {**plain, "parameters": tuple(plain["parameters"])} == defaults
    wanted = {"scale": "full", "start": "3", "force": True}
    assert changed == {**plain, **wanted, "parameters": [("a", "1"), ("b", "x=y")]}


def test_threads_sleep_while_they_wait_unless_asked_otherwise(asked, monkeypatch):
    for given, wanted in (("active", "active"), ("", "")):
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
        main(["reproduce"])
        assert os.environ["OMP_WAIT_POLICY"] == wanted
    monkeypatch.delenv("OMP_WAIT_POLICY")
    main(["reproduce"])
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_an_edit_gets_its_defaults_and_its_options(asked, capsys):
    assert main([*EDIT, "--emotion", "happy"]) == 0
    words = ["--reference", "b.mp4", "--compare", "--quality", "lossless", "--face", "2"]
    assert main([*EDIT, *words]) == 0
    clip, out = Path("clip.mp4"), Path("out.mp4")
    wanted = EditRequest(clip, out, reference=Path("b.mp4"), compare=True, lossless=True, face=2)
    assert asked == [EditRequest(clip, out, "happy"), wanted]
    assert capsys.readouterr().out.splitlines()[-2:] == ["wrote out.mp4", "wrote out-compare.mp4"]


def test_a_refused_file_is_one_line(monkeypatch, capsys):
    def refuse(_):
        raise OSError(28, "No space left on device", "some.mp4")

    monkeypatch.setitem(command_line.COMMANDS, "doctor", refuse)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("spfem: the system refused: No space left on device (some.mp4); free")
    assert said.count("\n") == 1
