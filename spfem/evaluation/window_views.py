"""What the temporal metrics compare, for pictures: changes over time, correlations of frames."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional

from spfem.correlation import TemporalCoherence, images_from_frames
from spfem.correlation.differences import adjacent_differences
from spfem.correlation.frame_pairs import ClipPair
from spfem.correlation.maps import feature_maps
from spfem.correlation.moments import mouth_region
from spfem.correlation.spatial import SpatialCoherence


def moving_window(pair: ClipPair, start: int, frames: int) -> np.ndarray:
    """At most `frames` path entries (T, 2) from `start` on at which neither clip holds a frame."""
    window = pair.path[start : start + frames]
    return window[np.append(True, (np.diff(window, axis=0) > 0).all(axis=1))]


def changes_over_time(model: SpatialCoherence, faces: np.ndarray, level: int) -> np.ndarray:
    """How much the features of each place change from frame to frame.

    Args:
        model: whose backbone looks, in evaluation mode.
        faces: (T, S, S, 3) uint8 RGB.
        level: of the features.

    Returns:
        (T - 1, H, W) lengths of the differences.
    """
    maps = feature_maps(model, images_from_frames(faces))[level]
    changes = adjacent_differences(maps.flatten(2)[None])[0].norm(dim=1)
    return changes.unflatten(1, maps.shape[2:]).numpy()


@torch.no_grad()
def frame_correlations(model: TemporalCoherence, faces: np.ndarray, level: int) -> np.ndarray:
    """Correlations (T, T) of the frames at the middle of the mouth, as the CM formulation has them.

    Args:
        model: the metric in evaluation mode.
        faces: (T, S, S, 3) uint8 RGB.
        level: of the metric.
    """
    maps = feature_maps(model, images_from_frames(faces))[level]  # type: ignore[arg-type]
    rows, columns = mouth_region(maps.shape[2])
    place = maps[:, :, (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2]
    unit = functional.normalize(model.mlp.project(level, place), dim=1)
    return (unit @ unit.T).numpy()
