"""What a metric says of a clip, as codes from which similarities are scalar products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.maps import describe_features, feature_maps, weights_of_features
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.sampling import NEIGHBOURS
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.window_descriptors import describe_windows
from spfem.errors import ShapeError
from spfem.explore.clips import ExploredClip

BATCH_FRAMES = 16
KEPT_CLIPS = 6  # with their feature maps; 35 frames of 96 pixels take 38 MB
MOST_BYTES = 128_000_000  # of codes: more would burden a browser


@dataclass(frozen=True)
class PlaceCodes:
    """Descriptors of P places of T frames, rounded to whole numbers; D numbers a place.

    Attributes:
        codes: (T, P, D) integers; a descriptor is `scale` times its codes, of length at most 1.
            Places run along rows, without the border of the map.
        scale: see `codes`.
        shape: (H, W) of the map; P = (H - 2) (W - 2).
        weights: (T, P) disparity weights in [1, 2), of spatial metrics.
    """

    codes: np.ndarray
    scale: float
    shape: tuple[int, int]
    weights: np.ndarray | None


def describe_clip(
    model: SpatialCoherence | TemporalCoherence,
    clip: ExploredClip,
    level: int,
    *,
    raw: bool = False,
    code_type: type = np.int16,
) -> PlaceCodes:
    """Describe every place of every frame at a level.

    Args:
        model: the metric, in evaluation mode.
        clip: what is described.
        level: 0 is the finest.
        raw: leave the learned heads of a spatial metric out.
        code_type: int16, which is exact for every purpose, or int8, half as large, with which
            similarities move by about 0.001, at most by 0.01.

    Raises:
        ShapeError: if the clip is too short for the metric, or too long for a browser.
    """
    maps = _clip_features(model, clip)[level]
    parts, weights = [], []
    for start in range(0, len(maps), BATCH_FRAMES):
        frames = torch.arange(start, min(start + BATCH_FRAMES, len(maps)), device=maps.device)
        if isinstance(model, TemporalCoherence):
            places = describe_windows(model, maps, level, frames)
        else:
            rows = describe_features(model, maps[frames], level, "raw" if raw else "learned")
            places = rows.flatten(1, 2) / NEIGHBOURS**0.5  # the mean over neighbours
            weights.append(weights_of_features(maps[frames])[:, 1:-1, 1:-1].reshape(len(frames), -1))
        parts.append(places.flatten(2).transpose(1, 2).cpu().numpy())
        size = parts[0][0].size * len(maps) * np.dtype(code_type).itemsize
        if size > MOST_BYTES:
            raise ShapeError(
                f"level {level} of {clip.title!r} takes {size // 10**6} MB, more than the "
                f"{MOST_BYTES // 10**6} MB that a browser is given; choose a coarser level or a "
                "shorter clip"
            )
    values = np.concatenate(parts)
    scale = max(float(np.abs(values).max()), 1e-6) / np.iinfo(code_type).max
    codes = np.rint(values / scale).astype(code_type)
    shape = (maps.shape[2], maps.shape[3])
    return PlaceCodes(codes, scale, shape, np.concatenate(weights) if weights else None)


@lru_cache(KEPT_CLIPS)
def _clip_features(model: SpatialCoherence, clip: ExploredClip) -> list[Tensor]:
    """Feature maps (T, C, H, W) of all levels, on the model's device."""
    device = next(model.parameters()).device
    batches = (
        feature_maps(model, images_from_frames(clip.faces[start : start + BATCH_FRAMES], device))
        for start in range(0, len(clip.faces), BATCH_FRAMES)
    )
    return [torch.cat(level).contiguous() for level in zip(*batches, strict=True)]
