"""Scores of all runs of a workspace, several at a time.

A run is a base, a method and a seed. Runs do not ask anything of each other, so those that are
missing are edited and scored side by side, each by one process of one thread: processes that serve
one run after the other spend half their time on beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spfem.evaluation.scores import METHODS, ClipScore
from spfem.methods import BASES, find_method
from spfem.methods import METHODS as TRAINED
from spfem.run.edits import MOVED, drawn_by, make_counterparts, protocol
from spfem.run.manipulators import make_manipulators
from spfem.run.renderers import make_actor_renderers
from spfem.run.results import score_method, score_name
from spfem.run.workspace import Workspace, gains_by_sharing, work_off

Run = tuple[str, str, int]
"""Base, method and seed."""


def calibrating_methods(workspace: Workspace) -> tuple[str, ...]:
    """Rows that calibrate the tables; without `truth` where the corpus has none."""
    known = bool(make_counterparts(workspace).known)
    return tuple(name for name in METHODS if name not in TRAINED and (known or name != "truth"))


def base_runs(workspace: Workspace, base: str) -> tuple[tuple[str, int], ...]:
    """Method and seed of all scores of a base, in the order of the tables."""
    seeds: dict[str, tuple[int, ...]] = dict.fromkeys(calibrating_methods(workspace), (0,))
    seeds |= workspace.scale.runs_of(base)
    return tuple((name, seed) for name in METHODS for seed in seeds.get(name, ()))


def score_all(workspace: Workspace) -> list[ClipScore]:
    """Scores of every base, method and seed of the scale, the calibrating ones first."""
    return score_runs(
        workspace, [(base, *run) for base in BASES for run in base_runs(workspace, base)]
    )


def score_runs(workspace: Workspace, runs: Sequence[Run]) -> list[ClipScore]:
    """What `score_method` gives of several runs, one after the other.

    Args:
        workspace: where.
        runs: to score.
    """
    missing = [run for run in runs if run[1] in TRAINED and not _is_there(workspace, run)]
    if gains_by_sharing(workspace, missing):
        _prepare(workspace, missing)
        face = replace(workspace.scale.face, processes=1)
        alone = replace(workspace, scale=replace(workspace.scale, face=face))
        work_off(workspace, _score, [(alone, run) for run in missing], "runs")
    return [score for run in runs for score in score_method(workspace, *run)]


def _is_there(workspace: Workspace, run: Run) -> bool:
    """Whether the last file of a run's scores is there; whether they hold is seen later."""
    base, *_ = run
    folder = workspace.stage_folder("scores", *score_name(*run).split("/"))
    return (folder / f"{protocol(workspace, base)[-1].name}.npz").exists()


def _prepare(workspace: Workspace, runs: Sequence[Run]) -> None:
    """Make what several runs need, since a stage has one maker at a time."""
    learned = ((find_method(name).manipulator, seed) for _, name, seed in runs)
    make_manipulators(workspace, [*dict.fromkeys(learned)])
    score_method(workspace, MOVED, "copy")  # the instruments, and what they are learned from
    wanted = [
        (actor, drawn_by(name), seed)
        for base, name, seed in runs
        if base != MOVED
        for actor in sorted({edit.actor for edit in protocol(workspace, base)})
    ]
    make_actor_renderers(workspace, [*dict.fromkeys(wanted)])


def _score(job: tuple[Workspace, Run]) -> None:
    workspace, run = job
    score_method(workspace, *run)
