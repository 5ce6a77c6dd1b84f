"""Maps of what a metric sees: correlation of one place with all others, or over time, and weights.

Descriptors of every place are such that what a metric says of two places is their inner product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.correlation.asccl import (
    NEIGHBOURS,
    SpatialCoherence,
    dense_disparities,
    normalise_channels,
    on_face,
    region_weight,
)
from spfem.correlation.images import prepare_images
from spfem.correlation.stccl import SUBTRACT, TemporalCoherence, correlation_entries
from spfem.errors import ShapeError

Kind = Literal["raw", "learned"]


@dataclass(frozen=True)
class PatchDescriptors:
    """Descriptors of every place of a batch of images at one level, computed once.

    `values` is (B, C, 8, H - 2, W - 2), of unit length over C: one descriptor for each of the 8
    neighbours of each place that has all of them. Places are counted on the whole (H, W) map.
    """

    values: Tensor

    @property
    def map_shape(self) -> tuple[int, int]:
        """(H, W) of the level's feature map."""
        return self.values.shape[3] + 2, self.values.shape[4] + 2

    def map_from(self, row: int, column: int, other: PatchDescriptors) -> np.ndarray:
        """Similarity (B, H, W) of one place of the first image to every place of `other`.

        In [-1, 1], the mean over the 8 neighbours of the cosine of descriptors with the same
        neighbour; the border, where a neighbour is missing, is NaN.

        Raises:
            ShapeError: if the place has no 8 neighbours, or the descriptors do not match.
        """
        height, width = self.map_shape
        if not (1 <= row <= height - 2 and 1 <= column <= width - 2):
            raise ShapeError(
                f"place ({row}, {column}) must lie in 1..{height - 2} by 1..{width - 2}"
            )
        if other.values.shape[1:3] != self.values.shape[1:3]:
            raise ShapeError("the two sets of descriptors differ in level or kind")
        vector = self.values[0, :, :, row - 1, column - 1].flatten() / NEIGHBOURS
        similarity = torch.einsum("d,bdhw->bhw", vector, other.values.flatten(1, 2))
        return with_border(similarity)


def with_border(interior: Tensor) -> np.ndarray:
    """Values (..., H - 2, W - 2) of places as maps (..., H, W): NaN where a neighbour lacks."""
    return functional.pad(interior, (1, 1, 1, 1), value=float("nan")).cpu().numpy()


@torch.no_grad()
def feature_maps(model: SpatialCoherence, images: Tensor) -> list[Tensor]:
    """Feature maps (B, C, H, W) of all levels for images (B, 3, H, W) in [-1, 1], frozen.

    Raises:
        ShapeError: if the model is in training mode, or the images are not as in `prepare_images`.
    """
    if model.training:
        raise ShapeError("the model is in training mode; call .eval() or .supervise() first")
    return model.resnet50(prepare_images(images, model.settings.image_size))


@torch.no_grad()
def describe_patches(
    model: SpatialCoherence, images: Tensor, kind: Kind = "learned"
) -> list[PatchDescriptors]:
    """Describe every place of images (B, 3, H, W) RGB in [-1, 1], one entry a level.

    The model is in evaluation mode; `learned` passes differences through the heads, `raw` does not.
    """
    return [
        PatchDescriptors(describe_features(model, features, level, kind))
        for level, features in enumerate(feature_maps(model, images))
    ]


@torch.no_grad()
def describe_features(
    model: SpatialCoherence, features: Tensor, level: int, kind: Kind = "learned"
) -> Tensor:
    """The same (B, C', 8, H - 2, W - 2) for feature maps (B, C, H, W) of a level."""
    disparities = dense_disparities(features)
    rows = disparities.flatten(2)
    rows = model.mlp.describe(level, rows) if kind == "learned" else normalise_channels(rows)
    return rows.unflatten(2, disparities.shape[2:])


def correlation_map(
    model: SpatialCoherence,
    image_a: Tensor,
    image_b: Tensor,
    place: tuple[int, int],
    level: int,
    kind: Kind = "learned",
) -> np.ndarray:
    """Similarity (H, W) of `place` (row, column) in `image_a` to all places of `image_b`.

    Images are (1, 3, H, W) RGB in [-1, 1]; the map is that of the level, NaN on the border.
    """
    described_a = describe_patches(model, image_a, kind)[level]
    described_b = describe_patches(model, image_b, kind)[level]
    return described_a.map_from(*place, described_b)[0]


def disparity_weights(model: SpatialCoherence, image: Tensor, level: int) -> np.ndarray:
    """Adaptive weight (H, W) in [1, 2) of every place of an image (1, 3, H, W), NaN on the border.

    The mean over the 8 neighbours, on the feature map of the level.
    """
    return weights_of_features(feature_maps(model, image)[level])[0]


def weights_of_features(features: Tensor) -> np.ndarray:
    """The same for feature maps (B, C, H, W): (B, H, W), NaN on the border."""
    disparities = dense_disparities(features)
    weights = region_weight(disparities.flatten(2)).unflatten(1, disparities.shape[2:])
    return with_border(weights.mean(dim=1))


def inside_face(values: np.ndarray) -> np.ndarray:
    """Maps (..., H, W) of an aligned picture, NaN where they do not lie `on_face`."""
    return np.where(on_face(*values.shape[-2:]).numpy(), values, np.nan)


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
    differences (with `raw` without the heads); of a temporal one (STCCL) the mean cosine of changes
    (`vd`), or the cosine of correlation matrices (`cm`), in a window with the frame in its middle.
    At the ends of a clip the window is moved inside. Its frames follow each other in the clip, as
    in supervision; in learning they follow a warping path, on which a frame may be held.

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


@torch.no_grad()
def describe_clip(
    model: SpatialCoherence | TemporalCoherence, maps: Tensor, level: int, *, raw: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Descriptors (T, P, D) of all P = (H - 2) (W - 2) places of a clip's maps (T, C, H, W).

    Along the rows of the map; of spatial metrics also the disparity weights (T, P) in [1, 2).

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
