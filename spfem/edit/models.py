"""The trained models that an edit starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spfem.artifacts import file_digest
from spfem.edit.request import EditRequest
from spfem.errors import CheckpointError
from spfem.head import load_head_model
from spfem.manipulator import Manipulator, load_manipulator
from spfem.manipulator.stage import CHECKPOINT_NAME as MANIPULATOR_NAME
from spfem.methods import find_method
from spfem.project import project_folder
from spfem.renderer.checkpoint import load_renderer
from spfem.renderer.stage import FILE_NAME as RENDERER_NAME
from spfem.renderer.stage import MadeRenderer


@dataclass(frozen=True)
class EditModels:
    """Models of a finished run.

    Attributes:
        folder: of the run.
        manipulator: of the wished method.
        base: renderer that knows faces in general.
    """

    folder: Path
    manipulator: Manipulator
    base: MadeRenderer


def load_models(request: EditRequest, device: str) -> EditModels:
    """Load the models of a request.

    Raises:
        SettingsError: if the method is unknown.
        CheckpointError: if the folder lacks them (the error lists what is there), or they are of
            another expression space.
    """
    method = find_method(request.method).name
    folder = request.models or project_folder() / "data" / "synthetic-demo"
    seed = f"seed{request.seed}"
    manipulator_path = folder / "manipulator" / method / seed / MANIPULATOR_NAME
    renderer_path = folder / "renderer" / "base" / seed / RENDERER_NAME
    if not manipulator_path.exists():
        raise CheckpointError(
            f"{manipulator_path} is missing; {_list_methods(folder)}; train the models once with: "
            "bash run_all.sh (or name the folder of a finished run with --models)"
        )
    if not renderer_path.exists():
        raise CheckpointError(
            f"{renderer_path} is missing; train the models once with: bash run_all.sh (or name "
            "the folder of a finished run with --models)"
        )
    manipulator = load_manipulator(manipulator_path)
    wanted = load_head_model().expression_names
    if tuple(manipulator.space.names) != tuple(wanted):
        raise CheckpointError(
            f"{manipulator_path} edits another expression space ({len(manipulator.space.names)} "
            f"coefficients, first {manipulator.space.names[0]!r}); own videos are tracked in "
            f"{len(wanted)} face units, first {wanted[0]!r}: train or import such a manipulator"
        )
    base = load_renderer(renderer_path, device)
    return EditModels(folder, manipulator, MadeRenderer(base, file_digest(renderer_path), 0.0))


def _list_methods(folder: Path) -> str:
    found = sorted((folder / "manipulator").glob(f"*/seed*/{MANIPULATOR_NAME}"))
    if not found:
        return f"{folder} holds no manipulator"
    names = ", ".join(f"{path.parent.parent.name} ({path.parent.name})" for path in found)
    return f"{folder} holds {names}"
