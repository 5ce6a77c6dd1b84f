"""Expression manipulators of a workspace, by method."""

from __future__ import annotations

from pathlib import Path

from spfem.face_units import FACE_UNIT_NAMES
from spfem.head import load_head_model
from spfem.manipulator import ExpressionSpace, learn_manipulator
from spfem.methods import find_method
from spfem.stages.data import make_corpus, make_faces, manipulator_clips
from spfem.stages.metrics import make_spatial_metric
from spfem.stages.progress import show_progress
from spfem.supervision import supervise_expressions
from spfem.workspace import Workspace

EXPRESSION_SPACE = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))


def make_manipulator(workspace: Workspace, method: str, seed: int = 0) -> Path:
    """Checkpoint of the expression manipulator of a method."""
    faces = make_faces(workspace)
    clips = manipulator_clips(make_corpus(workspace))
    supervision = None
    if find_method(method).spatial:
        supervision = supervise_expressions(
            make_spatial_metric(workspace, seed),
            load_head_model(),
            {clip.key: faces[clip.key] for clip in clips},
            device=workspace.device,
        )
    return learn_manipulator(
        {clip.key: faces[clip.key] for clip in clips},
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
