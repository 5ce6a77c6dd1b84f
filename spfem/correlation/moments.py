"""One place of a face over time: how similar is each moment of a clip to each of another?"""

from __future__ import annotations

import numpy as np

from spfem.correlation.maps import Kind, describe_patches
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.spatial import SpatialCoherence
from spfem.errors import ShapeError

BATCH_FRAMES = 16


def moment_similarity(
    model: SpatialCoherence,
    first: np.ndarray,
    second: np.ndarray,
    region: tuple[slice, slice],
    level: int,
    kind: Kind = "learned",
) -> np.ndarray:
    """Similarity of every frame of one clip to every frame of another, over a region of the face.

    The mean over the region's places and their 8 neighbours of the cosine of descriptors at the
    same place with the same neighbour.

    Args:
        model: the spatial metric in evaluation mode.
        first: aligned faces (T, S, S, 3) uint8 RGB.
        second: aligned faces (U, S, S, 3) uint8 RGB.
        region: rows and columns of the level's feature map; places without 8 neighbours are
            left out.
        level: of the metric.
        kind: of descriptor, see `describe_patches`.

    Returns:
        (T, U) in [-1, 1].

    Raises:
        ShapeError: if the region holds no place with 8 neighbours.
    """
    sides = [_describe_region(model, frames, region, level, kind) for frames in (first, second)]
    places = sides[0].shape[2]
    if not places:
        raise ShapeError(f"region {region} of level {level} holds no place with 8 neighbours")
    similarity = np.einsum("tcp,ucp->tu", *sides, optimize=True)
    return similarity / places


def _describe_region(
    model: SpatialCoherence,
    frames: np.ndarray,
    region: tuple[slice, slice],
    level: int,
    kind: Kind,
) -> np.ndarray:
    """Unit descriptors (T, C, 8 P) of the region's P places, over all frames."""
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(frames), BATCH_FRAMES):
        images = images_from_frames(frames[start : start + BATCH_FRAMES], device)
        described = describe_patches(model, images, kind)[level]
        height, width = described.map_shape
        # Descriptors begin at row and column 1 of the map, where the first place has neighbours.
        rows = [row - 1 for row in range(*region[0].indices(height)) if 1 <= row <= height - 2]
        columns = [at - 1 for at in range(*region[1].indices(width)) if 1 <= at <= width - 2]
        chosen = described.values[:, :, :, rows][..., columns]
        parts.append(chosen.flatten(2).cpu())
    return np.concatenate([part.numpy() for part in parts])


def mouth_region(side: int) -> tuple[slice, slice]:
    """Rows and columns of the mouth on a feature map of `side` over an aligned face."""
    return (
        slice(round(0.62 * side), round(0.86 * side)),
        slice(round(0.33 * side), round(0.67 * side)),
    )
