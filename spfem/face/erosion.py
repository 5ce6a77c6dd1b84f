"""Soft erosion of masks, before a face is cut out or blended (NED)."""

from __future__ import annotations

import numpy as np


def cone_kernel(size: int) -> np.ndarray:
    """Cone (size, size) float32 that sums to 1 and is 0 in its corners; `size` is odd."""
    radius = size // 2
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    distance = np.hypot(rows, columns)
    cone = distance.max() - distance
    return (cone / cone.sum()).astype(np.float32)


def soft_erosion(
    mask: np.ndarray, size: int, threshold: float, iterations: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Erode a mask smoothly.

    Args:
        mask: (H, W) in [0, 1].
        size: odd side of the cone kernel in pixels.
        threshold: what counts as inside after smoothing.
        iterations: smoothings; all but the last take the minimum with the mask so far.

    Returns:
        The soft mask (H, W) float32, 1 inside and falling from 1 outside, and the hard mask
        (H, W) bool.

    Source: NED.
    """
    import cv2

    kernel = cone_kernel(size)
    soft: np.ndarray = mask.astype(np.float32)
    border = cv2.BORDER_CONSTANT
    for _ in range(iterations - 1):
        soft = np.minimum(soft, cv2.filter2D(soft, -1, kernel, borderType=border))
    soft = cv2.filter2D(soft, -1, kernel, borderType=border)
    hard = soft >= threshold
    soft[hard] = 1
    if not hard.all():
        soft = np.where(hard, soft, soft / max(float(soft[~hard].max()), 1e-12))
    return soft, hard
