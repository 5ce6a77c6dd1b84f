"""Descriptors of what happens at every place over a window of frames (STCCL)."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation.correlation_matrices import correlation_entries
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.window_comparison import SUBTRACT
from spfem.errors import ShapeError


@torch.no_grad()
def describe_windows(model: TemporalCoherence, maps: Tensor, level: int, frames: Tensor) -> Tensor:
    """Descriptors (N, D, H - 2, W - 2) of windows around N frames of a clip's maps (T, C, H, W).

    The inner product of two places is what the metric compares: the mean cosine of their changes
    (`vd`), or the cosine of their correlation matrices (`cm`). The window has the metric's length
    and `frames` (N,) in its middle; at the ends of a clip it is moved inside. Its frames follow
    each other in the clip, as in supervision; in learning they follow a warping path, on which a
    frame may be held.

    Raises:
        ShapeError: if the clip is shorter than a window.
    """
    settings, heads = model.settings, model.mlp
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
    described = heads.describe(level, rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
    if settings.formulation == "vd":
        places = described.flatten(1, 2) / described.shape[1] ** 0.5
    else:
        places = correlation_entries(described)
    return places.unflatten(2, (maps.shape[2] - 2, maps.shape[3] - 2))
