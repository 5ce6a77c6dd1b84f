"""Released ASCCL, STCCL and SCMCL checkpoints read into this package's networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from torch import nn

from spfem.checkpoints import ReleasedFile, load_weights, read_released
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.encoders import ENCODERS, save_encoder
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import SpatialTemporalCoherence, TemporalCoherence
from spfem.errors import CheckpointError, SettingsError
from spfem.released.kinds import OpenedRelease
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings

Made = TypeVar("Made")


def spatial_settings(file: ReleasedFile) -> SpatialSettings:
    """Widths and blocks of the backbone (ASCCL).

    Raises:
        CheckpointError: if the file has no such backbone.
    """
    levels = file.count(r"resnet50\.layer(\d+)\..+")  # layers count from 1
    widths = tuple(file.size(f"resnet50.layer{n}.0.conv2.weight") for n in range(1, levels))
    blocks = tuple(file.count(rf"resnet50\.layer{n}\.(\d+)\..+") for n in range(1, levels))
    if not widths:
        raise CheckpointError(
            f"{file.path} has no entry resnet50.layer1.0.conv2.weight; it holds no ASCCL or STCCL "
            "metric"
        )
    centres = SpatialSettings().centres[: len(widths)]
    return _made(file, lambda: SpatialSettings(widths=widths, blocks=blocks, centres=centres))


def temporal_settings(file: ReleasedFile) -> TemporalSettings:
    """Widths and blocks of the backbone (STCCL, whose layout is that of ASCCL).

    Raises:
        CheckpointError: if the file has no such backbone.
    """
    spatial = spatial_settings(file)
    places = TemporalSettings().places[: len(spatial.widths)]
    return _made(file, lambda: TemporalSettings(spatial=spatial, places=places))


def sequence_settings(
    file: ReleasedFile, prefix: str = "", settings: CrossModalSettings | None = None
) -> CrossModalSettings:
    """Layers, widths and embedding of an audio or expression encoder (SCMCL).

    Args:
        file: with entries `<prefix>convs.<i>.0.weight`.
        prefix: of the encoder in the file.
        settings: what to keep of other parts; the defaults if None.

    Raises:
        CheckpointError: if the file has no such encoder.
    """
    layers = file.count(rf"{re.escape(prefix)}convs\.(\d+)\..+")
    widths = [file.size(f"{prefix}convs.{layer}.0.weight") for layer in range(max(layers, 1))]
    doublings = tuple(n for n in range(1, layers) if widths[n] == 2 * widths[n - 1])
    values = {
        "width": widths[0],
        "layers": layers,
        "doublings": doublings,
        "embedding": file.size(f"{prefix}fc.weight"),
    }
    return _changed(file, settings, values)


def image_settings(
    file: ReleasedFile, prefix: str = "", settings: CrossModalSettings | None = None
) -> CrossModalSettings:
    """Width and embedding of an image encoder (SCMCL); arguments as in `sequence_settings`.

    Raises:
        CheckpointError: if the file has no such encoder.
    """
    values = {
        "image_width": file.size(f"{prefix}model.conv1.weight"),
        "embedding": file.size(f"{prefix}model.fc.weight"),
    }
    return _changed(file, settings, values)


def pair_settings(file: ReleasedFile, *, image: bool) -> CrossModalSettings:
    """Sizes of a jointly learned pair (SCMCL), the visual side expression or image.

    The number of heads cannot be seen in the shapes and is the default.

    Raises:
        CheckpointError: if the file has no such pair.
    """
    settings = sequence_settings(file, "audio_encoder.")
    if image:
        settings = image_settings(file, "image_encoder.", settings)
    blocks = file.count(r"audio_attn\.blocks\.(\d+)\..+")
    return _changed(file, settings, {"blocks": blocks})


def _changed(
    file: ReleasedFile, settings: CrossModalSettings | None, values: Mapping[str, Any]
) -> CrossModalSettings:
    return _made(file, lambda: replace(settings or CrossModalSettings(), **values))


def _made(file: ReleasedFile, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except SettingsError as error:
        raise CheckpointError(f"{file.path} has sizes of no known network: {error}") from error


DEAD_BACKBONE = r"resnet50\.bn2\..+"  # built, never called
DEAD_FUSION = r"\w+_attn\.blocks\.\d+\.norm_[qkv]\..+"  # their result is overwritten
FIRST_CONVOLUTION = "resnet50.conv1.weight"


class Save(Protocol):
    """Writes a filled network."""

    def __call__(self, path: Path, *, provenance: dict[str, Any]) -> None:
        """Write it to `path` with where it came from."""


@dataclass(frozen=True)
class MetricLayout:
    """One layout of released files.

    Attributes:
        build: network of the sizes of a file, and the function that saves it.
        dead: regular expression of entries that no computation of the release reads.
        learned_on_bgr: whether the release fed it BGR images.
    """

    build: Callable[[ReleasedFile], tuple[nn.Module, Save]]
    dead: str = ""
    learned_on_bgr: bool = False


def open_metric(kind: str, path: Path, *, keep_channel_order: bool = False) -> OpenedRelease:
    """Read a released metric or encoder.

    Sizes come from the shapes in the file, everything else is the default of the settings. The
    released ASCCL and STCCL metrics were learned on BGR images: the input channels of the first
    convolution are turned round, so that RGB images give what BGR images gave there.

    Args:
        kind: one of `LAYOUTS`.
        path: released file.
        keep_channel_order: leave the first convolution as it is, for callers who feed BGR.

    Raises:
        CheckpointError: if the file cannot be read or is of another layout, with the names of the
            missing, surplus and misshapen entries.
        SettingsError: for a channel order where there is none to keep.
    """
    layout = LAYOUTS[kind]
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


def _pair(visual: Literal["expression", "image"], file: ReleasedFile) -> tuple[nn.Module, Save]:
    return _metric(CrossModalCoherence(pair_settings(file, image=visual == "image"), visual))


LAYOUTS = {
    kind: MetricLayout(build, DEAD_BACKBONE, learned_on_bgr=True)
    for kind, build in {
        "spatial": lambda file: _metric(SpatialCoherence(spatial_settings(file))),
        "temporal": lambda file: _metric(TemporalCoherence(temporal_settings(file))),
        "spatial-temporal": lambda file: _metric(SpatialTemporalCoherence(temporal_settings(file))),
    }.items()
}
LAYOUTS |= {f"scmcl-{m}": MetricLayout(partial(_encoder, m)) for m in ENCODERS}
LAYOUTS["scmcl-expression-pair"] = MetricLayout(partial(_pair, "expression"), DEAD_FUSION)
LAYOUTS["scmcl-image-pair"] = MetricLayout(partial(_pair, "image"), DEAD_FUSION)
"""By kind, see `spfem.released.kinds`."""
