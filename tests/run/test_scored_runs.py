"""Runs that are missing are scored side by side, after what several of them need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from spfem.corpus.protocol import Edit
from spfem.run import scored_runs
from spfem.scales import Scale, load_scale

EDITS = tuple(
    Edit("intra", f"{actor}/neutral/level_1/001", f"{actor}/{emotion}/level_1/002", emotion, actor)
    for actor, emotion in (("A", "happy"), ("B", "sad"))
)


@dataclass(frozen=True)
class Place:
    scale: Scale
    data: Path
    device: str = "cpu"

    def stage_folder(self, *names):
        return self.data.joinpath(*names)


@pytest.fixture
def world(monkeypatch, tmp_path):
    """A workspace of three processes, and what was made, in order."""
    scale = load_scale("smoke")
    workspace = Place(replace(scale, face=replace(scale.face, processes=3)), tmp_path)
    calls = []

    def score(asked, *run):
        calls.append(("score", asked.scale.face.processes, *run))
        return [run]

    monkeypatch.setattr(scored_runs, "protocol", lambda *_: EDITS)
    monkeypatch.setattr(scored_runs, "score_method", score)
    for name in ("make_manipulators", "make_actor_renderers"):
        monkeypatch.setattr(
            scored_runs, name, lambda _, wanted, name=name: calls.append((name, wanted))
        )
    return workspace, calls


def test_missing_runs_are_scored_side_by_side_after_what_they_need(world, waves):
    workspace, calls = world
    there = workspace.stage_folder("scores", "moved", "ned", "seed0", f"{EDITS[-1].name}.npz")
    there.parent.mkdir(parents=True)
    there.touch()
    missing = [("moved", "ned", 1), ("ned", "ned", 0), ("ned", "ned+asccl_released", 0)]
    runs = [("moved", "habit", 0), ("moved", "ned", 0), *missing]
    assert scored_runs.score_runs(workspace, runs) == runs
    assert waves == [(3, missing)]
    assert calls[0] == ("make_manipulators", [("ned", 1), ("ned", 0)])
    assert calls[1] == ("score", 3, "moved", "copy")
    renderers = [(actor, method, 0) for method in ("ned", "ned+asccl_released") for actor in "AB"]
    assert calls[2] == ("make_actor_renderers", renderers)
    assert calls[3:6] == [("score", 1, *run) for run in missing]  # no processes in processes
    assert calls[6:] == [("score", 3, *run) for run in runs]  # which reads what is there


def test_one_missing_run_is_not_worth_a_process(world, waves):
    workspace, calls = world
    runs = [("moved", "habit", 0), ("moved", "ned", 1)]
    assert scored_runs.score_runs(workspace, runs) == runs
    assert scored_runs.score_runs(replace(workspace, device="cuda"), [*runs, *runs]) == runs * 2
    assert not waves
    assert {call[0] for call in calls} == {"score"}
