"""The pupil as the dark centre of an eye."""

from __future__ import annotations

import cv2
import numpy as np

from spfem.errors import ShapeError


def pupil_center(grey: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Darkness-weighted centroid (2,) float64 x, y of the pixels inside an eye's outline.

    Args:
        grey: (H, W) float in [0, 1]; pixels that are exactly 0 do not count.
        polygon: (N, 2) integer pixel indices x, y; its border belongs to the eye.

    Raises:
        ShapeError: if the shapes are wrong or the outline holds no pixel above 0.

    Source: NED (eye landmarks). Places are pixel indices: the first pixel's centre is 0.
    """
    if grey.ndim != 2 or polygon.ndim != 2 or polygon.shape[1] != 2:
        raise ShapeError(f"grey {grey.shape} and polygon {polygon.shape} must be (H, W) and (N, 2)")
    inside = np.zeros(grey.shape, np.uint8)
    cv2.fillPoly(inside, [polygon.astype(np.int32)], (1,))
    rows, columns = np.nonzero((inside == 1) & (grey != 0))
    if len(rows) == 0:
        raise ShapeError("the eye's outline holds no pixel above 0; check polygon and image")
    weights = 1 / grey[rows, columns].astype(np.float64)
    return np.array([weights @ columns, weights @ rows]) / weights.sum()
