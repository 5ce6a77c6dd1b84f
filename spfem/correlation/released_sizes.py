"""Settings whose sizes are those of a released file; all else is the default."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from spfem.errors import CheckpointError, SettingsError
from spfem.released_files import ReleasedFile
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
