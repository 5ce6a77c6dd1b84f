"""Descriptors of every place, such that what a metric says of two places is their inner product."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.correlation_matrices import correlation_entries
from spfem.correlation.maps import describe_features, weights_of_features
from spfem.correlation.sampling import NEIGHBOURS
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.window_comparison import SUBTRACT
from spfem.errors import ShapeError

BATCH_FRAMES = 16


@torch.no_grad()
def describe_places(
    model: SpatialCoherence | TemporalCoherence,
    maps: Tensor,
    level: int,
    frames: Tensor,
    *,
    raw: bool = False,
) -> Tensor:
    """Descriptors (N, D, H - 2, W - 2) of N frames (N,) of a clip's feature maps (T, C, H, W).

    Of a spatial metric (ASCCL), the inner product is the mean over 8 neighbours of the cosines of
    differences; of a temporal one (STCCL) the mean cosine of changes (`vd`), or the cosine of
    correlation matrices (`cm`), in a window with the frame in its middle. At the ends of a clip
    the window is moved inside. Its frames follow each other in the clip, as in supervision; in
    learning they follow a warping path, on which a frame may be held.

    Args:
        model: the metric, in evaluation mode.
        maps: of a level, see `feature_maps`.
        level: of the maps.
        frames: which frames.
        raw: leave the learned heads of a spatial metric out.

    Raises:
        ShapeError: if the clip is shorter than a window.
    """
    if not isinstance(model, TemporalCoherence):
        rows = describe_features(model, maps[frames], level, "raw" if raw else "learned")
        return rows.flatten(1, 2) / NEIGHBOURS**0.5
    settings = model.settings
    if len(maps) < settings.window_frames:
        raise ShapeError(
            f"a clip of {len(maps)} frames is shorter than a window of {settings.window_frames}; "
            "choose a longer clip or a metric on single frames"
        )
    starts = (frames - settings.window_frames // 2).clamp(0, len(maps) - settings.window_frames)
    windows = maps[starts[:, None] + torch.arange(settings.window_frames, device=maps.device)]
    rows = windows[..., 1:-1, 1:-1].flatten(3)  # (N, T, C, S)
    if settings.formulation == "vd":
        rows = SUBTRACT[settings.compared_frames](rows)
    described = model.mlp.describe(level, rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
    if settings.formulation == "vd":
        places = described.flatten(1, 2) / described.shape[1] ** 0.5
    else:
        places = correlation_entries(described)
    return places.unflatten(2, (maps.shape[2] - 2, maps.shape[3] - 2))


def fewest_axes(rows: np.ndarray, most_moved: float) -> np.ndarray:
    """Axes (D, K) on which no inner product of `rows` (N, D) moves by more than `most_moved`.

    What is left out of a row has at most that squared length. The strongest axis is the first: the
    numbers of later ones are small, and so pack well once they are rounded.
    """
    axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
    left_out = (rows**2).sum(1, keepdims=True) - np.cumsum((rows @ axes) ** 2, axis=1)
    size = min(int((left_out.max(axis=0) > most_moved).sum()) + 1, rows.shape[1])
    return axes[:, :size]


@torch.no_grad()
def describe_clip(
    model: SpatialCoherence | TemporalCoherence, maps: Tensor, level: int, *, raw: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Descriptors (T, P, D) of all P = (H - 2) (W - 2) places of a clip's maps (T, C, H, W).

    Returns:
        Them, along the rows of the map; and of spatial metrics the places' disparity weights
        (T, P) in [1, 2).

    Raises:
        ShapeError: if the clip is shorter than a window.
    """
    described, weights = [], []
    for frames in torch.arange(len(maps), device=maps.device).split(BATCH_FRAMES):
        places = describe_places(model, maps, level, frames, raw=raw).flatten(2)
        described.append(places.transpose(1, 2).cpu().numpy())
        if not isinstance(model, TemporalCoherence):
            weights.append(weights_of_features(maps[frames])[:, 1:-1, 1:-1])
    values = np.concatenate(described)
    return values, np.concatenate(weights).reshape(values.shape[:2]) if weights else None
