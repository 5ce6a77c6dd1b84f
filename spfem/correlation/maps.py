"""Correlation of one place with all others, and disparity weights over a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.correlation.disparity import dense_disparities, region_weight
from spfem.correlation.heads import normalise_channels
from spfem.correlation.preprocess import prepare_images
from spfem.correlation.sampling import NEIGHBOURS
from spfem.correlation.spatial import SpatialCoherence
from spfem.errors import ShapeError

Kind = Literal["raw", "learned"]


@dataclass(frozen=True)
class PatchDescriptors:
    """Descriptors of every place of a batch of images at one level, computed once.

    `values` is (B, C, 8, H - 2, W - 2), of unit length over C: one descriptor for each of the 8
    neighbours of each place that has all of them. Places are counted on the whole (H, W) map.
    """

    values: Tensor
    image_size: int

    @property
    def map_shape(self) -> tuple[int, int]:
        """(H, W) of the level's feature map."""
        return self.values.shape[3] + 2, self.values.shape[4] + 2

    def map_from(
        self, row: int, column: int, other: PatchDescriptors | None = None, *, image: int = 0
    ) -> np.ndarray:
        """Similarity of one place of `image` to every place of `other` (default: of itself).

        The mean over the 8 neighbours of the cosine of descriptors with the same neighbour.

        Returns:
            (B, H, W) in [-1, 1] for the B images of `other`; the border, where a neighbour is
            missing, is NaN.

        Raises:
            ShapeError: if the place has no 8 neighbours, or the descriptors do not match.
        """
        height, width = self.map_shape
        if not (1 <= row <= height - 2 and 1 <= column <= width - 2):
            raise ShapeError(
                f"place ({row}, {column}) must lie in 1..{height - 2} by 1..{width - 2}"
            )
        other = other or self
        if other.values.shape[1:3] != self.values.shape[1:3]:
            raise ShapeError("the two sets of descriptors differ in level or kind")
        vector = self.values[image, :, :, row - 1, column - 1].flatten() / NEIGHBOURS
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
    """Describe every place of `images` at every level.

    Args:
        model: the metric, in evaluation mode.
        images: (B, 3, H, W) RGB in [-1, 1].
        kind: `learned` passes differences through the heads, `raw` does not.

    Returns:
        One `PatchDescriptors` a level.
    """
    return [
        PatchDescriptors(describe_features(model, features, level, kind), model.settings.image_size)
        for level, features in enumerate(feature_maps(model, images))
    ]


@torch.no_grad()
def describe_features(
    model: SpatialCoherence, features: Tensor, level: int, kind: Kind = "learned"
) -> Tensor:
    """Descriptors (B, C', 8, H - 2, W - 2) of every place of feature maps (B, C, H, W) of a level.

    See `describe_patches`, which starts from images.
    """
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
    """Similarity of `place` (row, column) in `image_a` to all places of `image_b`.

    Images are (1, 3, H, W) RGB in [-1, 1].

    Returns:
        (H, W) of the level's feature map, in [-1, 1], NaN on the border.
    """
    described_a = describe_patches(model, image_a, kind)[level]
    described_b = describe_patches(model, image_b, kind)[level]
    return described_a.map_from(*place, described_b)[0]


def disparity_weights(model: SpatialCoherence, image: Tensor, level: int) -> np.ndarray:
    """Adaptive weight of every place of an image (1, 3, H, W), mean over its 8 neighbours.

    Returns:
        (H, W) of the level's feature map, in [1, 2), NaN on the border.
    """
    return weights_of_features(feature_maps(model, image)[level])[0]


def weights_of_features(features: Tensor) -> np.ndarray:
    """The same for feature maps (B, C, H, W): (B, H, W), NaN on the border."""
    disparities = dense_disparities(features)
    weights = region_weight(disparities.flatten(2)).unflatten(1, disparities.shape[2:])
    return with_border(weights.mean(dim=1))
