"""Released NED and SCMCL manipulators: read into this package's networks, and written back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import Tensor

from spfem.checkpoints import load_weights, tensors_below
from spfem.errors import CheckpointError
from spfem.manipulator.checkpoint import save_manipulator
from spfem.manipulator.flame_space import FLAME_SPACE
from spfem.manipulator.model import Manipulator
from spfem.released_files import ReleasedFile, read_released
from spfem.released_kinds import OpenedRelease
from spfem.settings import ManipulatorSettings

NEEDED = ("generator", "style_encoder", "mapping_network")
OPTIONAL = ("discriminator",)
NETWORKS = NEEDED + OPTIONAL
SCMCL = "scmcl-manipulator"

NO_DISCRIMINATOR = (
    "the file has no discriminator: an untrained one stands in its place, which editing never "
    "uses, but training on would start from it"
)
UNTRAINED_MAPPING = (
    "SCMCL never trained the mapping network, it is NED's: edit by reference rather than by label"
)


def open_released(kind: str, path: Path) -> OpenedRelease:
    """Read `<NN>_nets.pth` or `<NN>_nets_finetuned.pth` of NED or SCMCL.

    Other networks of the file, such as those of a joint SCMCL training, are left out. The
    manipulator works on `FLAME_SPACE`, unscaled, as released.

    Raises:
        CheckpointError: if the file cannot be read, is of another layout (missing, surplus and
            misshapen entries are named) or of another expression space.
    """
    file = read_released(path, NEEDED, OPTIONAL)
    manipulator, untrained = _fill(file, encode_reference=kind == SCMCL)
    provenance, notes = file.provenance(kind), []
    if untrained:
        provenance["untrained"] = list(untrained)
        notes.append(NO_DISCRIMINATOR)
    if kind == SCMCL:
        notes.append(UNTRAINED_MAPPING)
    return OpenedRelease(
        len(file.tensors),
        provenance,
        partial(save_manipulator, manipulator=manipulator, provenance=provenance),
        tuple(notes),
    )


def _fill(file: ReleasedFile, *, encode_reference: bool) -> tuple[Manipulator, tuple[str, ...]]:
    coefficients = file.size("generator.seq2.4.weight")
    if coefficients != FLAME_SPACE.size:
        raise CheckpointError(
            f"{file.path} is for {coefficients} expression coefficients; released manipulators "
            f"have {FLAME_SPACE.size} (jaw opening and 50 of FLAME)"
        )
    settings = ManipulatorSettings(
        style_size=file.size("style_encoder.seq2.4.weight"),
        latent_size=file.size("mapping_network.shared.0.weight", axis=1),
        width=file.size("generator.seq1.0.weight"),
        encoder_width=file.size("style_encoder.seq1.0.weight"),
        mapping_width=file.size("mapping_network.shared.0.weight"),
        standardise=False,
        encode_reference=encode_reference,
    )
    emotions = file.count(r"mapping_network\.unshared\.(\d+)\..+")
    manipulator = Manipulator(settings, FLAME_SPACE, emotions=emotions)
    found = {name: tensors_below(file.tensors, f"{name}.") for name in NETWORKS}
    untrained = tuple(name for name in OPTIONAL if not found[name])
    for name, tensors in found.items():
        if name not in untrained:
            load_weights(
                manipulator.get_submodule(name),
                tensors,
                f"{file.path} ({name})",
                advice="it is not of the released layout of NED and SCMCL",
            )
    return manipulator, untrained


def to_released(manipulator: Manipulator) -> dict[str, dict[str, Tensor]]:
    """The state dicts of `<NN>_nets.pth`, for `torch.save`.

    Raises:
        CheckpointError: if the manipulator computes what the released code cannot: standardised
            coefficients or a residual generator.
    """
    settings = manipulator.settings
    if settings.residual or settings.standardise:
        raise CheckpointError(
            "the released code knows no residual generator and no standardised coefficients; "
            "train with residual=False and standardise=False"
        )
    return {name: dict(manipulator.get_submodule(name).state_dict()) for name in NETWORKS}
