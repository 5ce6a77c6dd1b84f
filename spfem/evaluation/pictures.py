"""Measures of pictures: how much is in them, and how far they are from the true ones."""

from __future__ import annotations

import numpy as np

from spfem.errors import ShapeError

LEVELS = 256


def image_entropy(pictures: np.ndarray) -> float:
    """Mean Shannon entropy in bits (0 to 8) of the grey levels of pictures.

    IE is a column of SCMCL's table without a published definition; this is the usual one, taken
    on face chips.

    Args:
        pictures: (T, H, W, 3) uint8 RGB; NaN for none.

    Example:
        >>> halves = np.zeros((1, 2, 2, 3), np.uint8)
        >>> halves[0, 0] = 255
        >>> image_entropy(halves)
        1.0
    """
    if not len(pictures):
        return float("nan")
    grey = np.round(pictures @ np.array([0.299, 0.587, 0.114])).astype(np.int64)
    values = []
    for picture in grey:
        share = np.bincount(picture.ravel(), minlength=LEVELS) / picture.size
        share = share[share > 0]
        values.append(-(share * np.log2(share)).sum())
    return float(np.mean(values))


def picture_error(frames: np.ndarray, truth: np.ndarray, landmarks: np.ndarray) -> float:
    """Root mean square difference from the true frames in the face's box, in grey levels.

    PSNR in decibels is 20 log10(255 / error); the error itself is shown because the truth has one
    (0) and the mean over clips makes sense.

    Args:
        frames: (T, H, W, 3) uint8 RGB of the result.
        truth: (T, H, W, 3) uint8 RGB, the same moments.
        landmarks: (T, 478, 2 or 3) of the truth, frame pixels.

    Raises:
        ShapeError: if the shapes differ or there is no frame.

    Example:
        >>> black = np.zeros((1, 4, 4, 3), np.uint8)
        >>> picture_error(black + np.uint8(10), black, np.zeros((1, 478, 2)))
        10.0
    """
    if frames.shape != truth.shape or len(frames) != len(landmarks) or not len(frames):
        raise ShapeError(
            f"result {frames.shape}, truth {truth.shape} and landmarks {landmarks.shape} must "
            "show the same moments"
        )
    squares, count = 0.0, 0
    for result, wanted, places in zip(frames, truth, landmarks, strict=True):
        low = np.floor(places[:, :2].min(0)).clip(0).astype(int)
        high = np.ceil(places[:, :2].max(0)).astype(int)
        box = slice(low[1], high[1] + 1), slice(low[0], high[0] + 1)
        gap = result[box].astype(np.float64) - wanted[box]
        squares, count = squares + float((gap**2).sum()), count + gap.size
    return float(np.sqrt(squares / count)) if count else float("nan")
