"""Expression manipulators of a workspace, by method."""

from __future__ import annotations

from pathlib import Path

from spfem.face_units import FACE_UNIT_NAMES
from spfem.head import load_head_model
from spfem.manipulator import ExpressionSpace, Supervision
from spfem.manipulator.stage import learn_manipulator
from spfem.methods import find_method
from spfem.stages.data import make_corpus, make_persons, manipulator_clips
from spfem.stages.metrics import (
    make_audio_banks,
    make_cross_modal_metric,
    make_spatial_metric,
    make_temporal_metric,
)
from spfem.stages.progress import show_progress
from spfem.supervision.manipulator import Supervisors, supervise_manipulator
from spfem.workspace import Workspace

EXPRESSION_SPACE = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))


def make_supervisors(workspace: Workspace, method: str, seed: int = 0) -> Supervisors:
    """The learned metrics, and the retrieved windows, that supervise a method's manipulator."""
    wanted = find_method(method)
    return Supervisors(
        make_spatial_metric(workspace, seed) if wanted.spatial else None,
        {name: make_temporal_metric(workspace, name, seed) for name in wanted.temporal},
        make_cross_modal_metric(workspace, "expression", seed) if wanted.paired else None,
        make_audio_banks(workspace, "expression", seed) if wanted.paired else {},
    )


def make_base_manipulator(workspace: Workspace, seed: int = 0) -> Path:
    """Checkpoint of the manipulator that all methods start from: NED without supervision."""
    return _learn(workspace, "base", seed)


def make_manipulator(workspace: Workspace, method: str, seed: int = 0) -> Path:
    """Checkpoint of the expression manipulator of a method.

    Every method, plain NED too, goes on from the base for equally many steps. Source: the
    released SCMCL manipulator, which fine-tunes NED's.
    """
    base, faces = make_base_manipulator(workspace, seed), make_persons(workspace)
    supervision = supervise_manipulator(
        make_supervisors(workspace, method, seed),
        workspace.scale.supervision,
        load_head_model(),
        faces,
        seed=seed,
        device=workspace.device,
    )
    return _learn(workspace, method, seed, initial=base, supervision=supervision)


def _learn(
    workspace: Workspace,
    name: str,
    seed: int,
    *,
    initial: Path | None = None,
    supervision: Supervision | None = None,
) -> Path:
    faces = make_persons(workspace)
    clips = manipulator_clips(make_corpus(workspace))
    return learn_manipulator(
        faces,
        {clip.key: clip.label for clip in clips},
        workspace.stage_folder("manipulator", name, f"seed{seed}"),
        workspace.scale.manipulator,
        space=EXPRESSION_SPACE,
        inputs={"faces": faces.digest},
        seed=seed,
        device=workspace.device,
        supervision=supervision,
        initial=initial,
        progress=show_progress(f"manipulator {name}"),
    )
