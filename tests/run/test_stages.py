from __future__ import annotations

import inspect

import pytest

from spfem.__main__ import main
from spfem.run import stages
from spfem.run.metrics import METRICS
from spfem.run.stages import STAGES
from spfem.settings import FaceSettings


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["faces", "--seed", "1"], "the stage faces has no --seed"),
        (["renderer", "--actor", "M001"], "the stage renderer needs --method"),
        (["manipulator"], "the stage manipulator needs --method"),
        (["pairs", "--actor", "M001"], "the stage pairs has no --actor"),
        (["persons", "--estimate"], "the stage persons has no --estimate"),
        (["faces", "--video-hours", "3"], "--video-hours belongs to --estimate"),
        (["faces", "--corpus", "nowhere"], "nowhere"),
    ],
)
def test_options_that_do_not_belong_are_refused(words, complaint, capsys, tmp_path):
    assert main(["stage", *words, "--scale", "smoke", "--data", str(tmp_path)]) == 1
    assert complaint in capsys.readouterr().err


@pytest.fixture
def calls(monkeypatch):
    """What the command asked of the stages, in place of making them."""
    asked = []
    for name in ("make_faces", "make_actor_faces", "make_pairs", "make_metric", "make_manipulator"):
        monkeypatch.setattr(
            stages,
            name,
            raising=False,
            value=lambda workspace, *values, name=name: asked.append((name, workspace, values)),
        )
    return asked


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["faces"], [("make_faces", ())]),
        (["faces", "--actor", "W002"], [("make_actor_faces", ("W002",))]),
        (
            ["spatial_temporal_cm", "--seed", "2"],
            [("make_pairs", ()), ("make_metric", ("spatial_temporal_cm", 2))],
        ),
        (["manipulator", "--method", "ned"], [("make_manipulator", ("ned", 0))]),
    ],
)
def test_the_command_calls_what_the_notebooks_call(calls, words, wanted, tmp_path, capsys):
    assert main(["stage", *words, "--scale", "smoke", "--data", str(tmp_path)]) == 0
    assert [(name, values) for name, _, values in calls] == wanted
    workspace = calls[0][1]
    assert workspace.data == tmp_path / "synthetic-smoke"
    assert workspace.scale.face == FaceSettings()
    assert "done" in capsys.readouterr().out


def test_processes_reach_the_face_stage(calls, tmp_path):
    main(["stage", "faces", "--scale", "smoke", "--data", str(tmp_path), "--processes", "7"])
    assert calls[0][1].scale.face.processes == 7


def test_every_stage_names_the_function_that_makes_it():
    for kind in STAGES.values():
        made = inspect.signature(getattr(stages, kind.make))
        given = [None, *kind.given, *kind.needs, *([0] if "seed" in kind.takes else [])]
        made.bind(*given)


def test_every_metric_is_a_stage_and_only_metrics_of_pictures_are_shared():
    assert {name for name, kind in STAGES.items() if kind.shared} == set(METRICS)


def test_what_cannot_be_shared_is_refused_under_torchrun(calls, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("spfem.distributed.process_count", lambda: 2)
    words = ["stage", "manipulator", "--method", "ned", "--scale", "smoke", "--data", str(tmp_path)]
    assert main(words) == 1
    assert "the stage manipulator learns in one process" in capsys.readouterr().err
    assert not calls
