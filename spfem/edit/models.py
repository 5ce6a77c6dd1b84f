"""The trained models that an edit starts from."""

from __future__ import annotations

from pathlib import Path

from spfem.artifacts import file_digest
from spfem.errors import CheckpointError, SettingsError
from spfem.head import load_head_model
from spfem.manipulator import Manipulator, load_manipulator, pretrained_manipulator
from spfem.manipulator.checkpoint import CHECKPOINT_KIND as MANIPULATOR_KIND
from spfem.manipulator.flame_space import FLAME_SPACE
from spfem.manipulator.stage import CHECKPOINT_NAME as MANIPULATOR_NAME
from spfem.methods import find_method
from spfem.pretrained import PRETRAINED
from spfem.project import project_folder
from spfem.renderer.checkpoint import load_renderer
from spfem.renderer.stage import FILE_NAME as RENDERER_NAME
from spfem.renderer.stage import MadeRenderer


def load_base_renderer(models: Path | None, seed: int, device: str) -> MadeRenderer:
    """NED's renderer that knows faces in general, of a finished run; none comes with the package.

    Args:
        models: stages of the run; None for the run at demo scale.
        seed: of the run's learning.
        device: to put it on.

    Raises:
        CheckpointError: if the folder lacks it.
    """
    folder = models or _demo_folder()
    path = folder / "renderer" / "base" / f"seed{seed}" / RENDERER_NAME
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; train the models once with: bash run_all.sh (or name the folder "
            "of a finished run with --models, or edit with --renderer moved, which needs no run)"
        )
    return MadeRenderer(load_renderer(path, device), file_digest(path), 0.0)


def load_edit_manipulator(
    models: Path | None, method: str, seed: int, file: Path | None = None
) -> Manipulator:
    """The manipulator of a method, in the face units that own videos are tracked in.

    Args:
        models: stages of a finished run; None for the manipulator that comes with the package,
            or, of a method with which none comes, for the run at demo scale.
        method: one of `spfem.methods.METHODS`.
        seed: of the run's learning; what comes with the package has one only.
        file: checkpoint in place of all these; None for them.

    Raises:
        SettingsError: if the method is unknown, or the file is for FLAME codes.
        CheckpointError: if the folder lacks it (the error lists what is there), the file is
            damaged, or it is of another expression space.
    """
    if file is not None:
        return _in_face_units(load_manipulator(file), file)
    method = find_method(method).name
    if models is None and method in PRETRAINED[MANIPULATOR_KIND]:
        return pretrained_manipulator(method)
    folder = models or _demo_folder()
    path = folder / "manipulator" / method / f"seed{seed}" / MANIPULATOR_NAME
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; {_list_methods(folder)}; train the models once with: "
            "bash run_all.sh (or name the folder of a finished run with --models; without it "
            f"{', '.join(PRETRAINED[MANIPULATOR_KIND])} needs no run)"
        )
    return _in_face_units(load_manipulator(path), path)


def _in_face_units(manipulator: Manipulator, path: Path) -> Manipulator:
    """The manipulator, if it edits the face units of own videos."""
    if manipulator.space == FLAME_SPACE:
        raise SettingsError(
            f"{path} edits FLAME codes, which the renderers of the package cannot draw; add "
            "--renderer-file FILE, imported from NED or SCMCL, and --flame DIR with your files of "
            "FLAME and DECA"
        )
    wanted = load_head_model().expression_names
    if tuple(manipulator.space.names) != tuple(wanted):
        raise CheckpointError(
            f"{path} edits another expression space ({len(manipulator.space.names)} "
            f"coefficients, first {manipulator.space.names[0]!r}); own videos are tracked in "
            f"{len(wanted)} face units, first {wanted[0]!r}: train or import such a manipulator"
        )
    return manipulator


def _demo_folder() -> Path:
    return project_folder() / "data" / "synthetic-demo"


def _list_methods(folder: Path) -> str:
    found = sorted((folder / "manipulator").glob(f"*/seed*/{MANIPULATOR_NAME}"))
    if not found:
        return f"{folder} holds no manipulator"
    names = ", ".join(f"{path.parent.parent.name} ({path.parent.name})" for path in found)
    return f"{folder} holds {names}"
