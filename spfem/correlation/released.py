"""Released ASCCL, STCCL and SCMCL checkpoints read into this package's networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from spfem.checkpoints import load_weights
from spfem.correlation.crossmodal.encoder_files import ENCODERS, save_encoder
from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.released_sizes import (
    image_settings,
    pair_settings,
    sequence_settings,
    spatial_settings,
    temporal_settings,
)
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.spatial_temporal import SpatialTemporalCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.errors import SettingsError
from spfem.released_files import ReleasedFile, read_released
from spfem.released_kinds import OpenedRelease

DEAD_BACKBONE = r"resnet50\.bn2\..+"  # built, never called
DEAD_FUSION = r"\w+_attn\.blocks\.\d+\.norm_[qkv]\..+"  # their result is overwritten
FIRST_CONVOLUTION = "resnet50.conv1.weight"


class Save(Protocol):
    """Writes a filled network."""

    def __call__(self, path: Path, *, provenance: dict[str, Any]) -> None:
        """Write it to `path` with where it came from."""


@dataclass(frozen=True)
class ReleasedKind:
    """One layout of released files.

    Attributes:
        build: network of the sizes of a file, and the function that saves it.
        dead: regular expression of entries that no computation of the release reads.
        learned_on_bgr: whether the release fed it BGR images.
    """

    build: Callable[[ReleasedFile], tuple[nn.Module, Save]]
    dead: str = ""
    learned_on_bgr: bool = False


def open_released(kind: str, path: Path, *, keep_channel_order: bool = False) -> OpenedRelease:
    """Read a released metric or encoder.

    Sizes come from the shapes in the file, everything else is the default of the settings. The
    released ASCCL and STCCL metrics were learned on BGR images: the input channels of the first
    convolution are turned round, so that RGB images give what BGR images gave there.

    Args:
        kind: one of `KINDS`.
        path: released file.
        keep_channel_order: leave the first convolution as it is, for callers who feed BGR.

    Raises:
        CheckpointError: if the file cannot be read or is of another layout, with the names of the
            missing, surplus and misshapen entries.
        SettingsError: for a channel order where there is none to keep.
    """
    layout = KINDS[kind]
    if keep_channel_order and not layout.learned_on_bgr:
        raise SettingsError(f"{kind} was not learned on BGR images; do not keep the channel order")
    file = read_released(path).without(layout.dead)
    network, save = layout.build(file)
    tensors = dict(file.tensors)
    if layout.learned_on_bgr and not keep_channel_order and FIRST_CONVOLUTION in tensors:
        tensors[FIRST_CONVOLUTION] = tensors[FIRST_CONVOLUTION].flip(1)
    load_weights(network, tensors, path, advice=f"it is not of the released layout {kind!r}")
    provenance, notes = file.provenance(kind), []
    if layout.learned_on_bgr:
        provenance["input_channels"] = (
            "BGR, as released" if keep_channel_order else "RGB, turned from BGR"
        )
        notes.append(f"input channels: {provenance['input_channels']}")
    write = partial(save, provenance=provenance)
    return OpenedRelease(len(tensors), provenance, write, tuple(notes))


def _metric(network: Any) -> tuple[nn.Module, Save]:
    return network, network.save


def _encoder(modality: str, file: ReleasedFile) -> tuple[nn.Module, Save]:
    settings = image_settings(file) if modality == "image" else sequence_settings(file)
    network = ENCODERS[modality](settings)
    return network, partial(save_encoder, network, settings)


KINDS = {
    "spatial": ReleasedKind(
        lambda file: _metric(SpatialCoherence(spatial_settings(file))),
        DEAD_BACKBONE,
        learned_on_bgr=True,
    ),
    "temporal": ReleasedKind(
        lambda file: _metric(TemporalCoherence(temporal_settings(file))),
        DEAD_BACKBONE,
        learned_on_bgr=True,
    ),
    "spatial-temporal": ReleasedKind(
        lambda file: _metric(SpatialTemporalCoherence(temporal_settings(file))),
        DEAD_BACKBONE,
        learned_on_bgr=True,
    ),
    "scmcl-audio": ReleasedKind(partial(_encoder, "audio")),
    "scmcl-expression": ReleasedKind(partial(_encoder, "expression")),
    "scmcl-image": ReleasedKind(partial(_encoder, "image")),
    "scmcl-expression-pair": ReleasedKind(
        lambda file: _metric(CrossModalCoherence(pair_settings(file, image=False), "expression")),
        DEAD_FUSION,
    ),
    "scmcl-image-pair": ReleasedKind(
        lambda file: _metric(CrossModalCoherence(pair_settings(file, image=True), "image")),
        DEAD_FUSION,
    ),
}
"""`spfem.released_kinds` describes them."""
