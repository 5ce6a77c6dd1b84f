"""Descriptors of places, such that the similarity of two places is their inner product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from spfem.correlation.backbone import feature_sides
from spfem.correlation.correlation_matrices import correlation_entries
from spfem.correlation.maps import Kind, describe_features
from spfem.correlation.sampling import NEIGHBOURS
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.window_comparison import SUBTRACT
from spfem.errors import ShapeError


class Describer(Protocol):
    """What a metric makes of feature maps."""

    @property
    def model(self) -> SpatialCoherence | TemporalCoherence:
        """The metric, in evaluation mode."""

    def describe(self, maps: Tensor, level: int, frames: Tensor) -> Tensor:
        """Descriptors (N, D, H - 2, W - 2) of N frames (N,) of a clip's maps (T, C, H, W)."""


@dataclass(frozen=True)
class FrameDescriber:
    """Differences of a place and its 8 neighbours, in one frame: ASCCL.

    The inner product of two places is the mean over neighbours of the cosines of descriptors with
    the same neighbour, as in `spfem.correlation.maps`.
    """

    model: SpatialCoherence
    kind: Kind = "learned"

    @torch.no_grad()
    def describe(self, maps: Tensor, level: int, frames: Tensor) -> Tensor:
        """See `Describer`."""
        places = describe_features(self.model, maps[frames], level, self.kind).flatten(1, 2)
        return places / NEIGHBOURS**0.5


@dataclass(frozen=True)
class WindowDescriber:
    """What happens at a place in a window of frames: STCCL.

    The window has the metric's length, its middle is the frame; at the ends of a clip it is
    moved inside. Its frames follow each other in the clip, as in supervision; in learning they
    follow a warping path, on which a frame may be held.
    """

    model: TemporalCoherence

    @torch.no_grad()
    def describe(self, maps: Tensor, level: int, frames: Tensor) -> Tensor:
        """See `Describer`.

        Raises:
            ShapeError: if the clip is shorter than a window.
        """
        settings, heads = self.model.settings, self.model.mlp
        windows = maps[windows_around(frames, len(maps), settings.window_frames)]
        height, width = maps.shape[2] - 2, maps.shape[3] - 2
        rows = windows[..., 1:-1, 1:-1].flatten(3)  # (N, T, C, S)
        if settings.formulation == "vd":
            rows = SUBTRACT[settings.compared_frames](rows)
        described = heads.describe(level, rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
        if settings.formulation == "vd":
            places = described.flatten(1, 2) / described.shape[1] ** 0.5
        else:
            places = correlation_entries(described)
        return places.unflatten(2, (height, width))


def windows_around(frames: Tensor, length: int, window_frames: int) -> Tensor:
    """Frames (N, window_frames) of windows around `frames` (N,) of a clip of `length` frames.

    Raises:
        ShapeError: if the clip is shorter than a window.
    """
    if length < window_frames:
        raise ShapeError(
            f"a clip of {length} frames is shorter than a window of {window_frames}; choose a "
            "longer clip or a metric on single frames"
        )
    starts = (frames - window_frames // 2).clamp(0, length - window_frames)
    return starts[:, None] + torch.arange(window_frames, device=frames.device)


def map_shapes(model: SpatialCoherence | TemporalCoherence) -> list[tuple[int, int]]:
    """(H, W) of the feature map of each level."""
    levels = len(model.resnet50.widths)
    return [(side, side) for side in feature_sides(model.settings.image_size, levels)]
