"""Expression manipulators of a workspace, by method."""

from __future__ import annotations

from pathlib import Path

from spfem.face_units import FACE_UNIT_NAMES
from spfem.head import load_head_model
from spfem.manipulator import ExpressionSpace, learn_manipulator
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


def make_manipulator(workspace: Workspace, method: str, seed: int = 0) -> Path:
    """Checkpoint of the expression manipulator of a method."""
    faces = make_persons(workspace)
    clips = manipulator_clips(make_corpus(workspace))
    supervision = supervise_manipulator(
        make_supervisors(workspace, method, seed),
        workspace.scale.supervision,
        load_head_model(),
        faces,
        seed=seed,
        device=workspace.device,
    )
    return learn_manipulator(
        faces,
        {clip.key: clip.label for clip in clips},
        workspace.stage_folder("manipulator", method, f"seed{seed}"),
        workspace.scale.manipulator,
        space=EXPRESSION_SPACE,
        inputs={"faces": faces.digest},
        seed=seed,
        device=workspace.device,
        supervision=supervision,
        progress=show_progress(f"manipulator {method}"),
    )
