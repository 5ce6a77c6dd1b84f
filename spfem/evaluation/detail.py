"""How much fine detail mouth and eyes of a result have, by that of the true frames."""

from __future__ import annotations

import cv2
import numpy as np

from spfem.errors import ShapeError
from spfem.face.landmark_sets import LEFT_EYE, OUTER_LIPS, RIGHT_EYE

REGIONS = {"mouth": tuple(OUTER_LIPS), "eyes": (*RIGHT_EYE, *LEFT_EYE)}
"""Landmarks whose box is looked at."""

ROOM = 0.15  # around the landmarks, by the longer side of their box


def detail_ratio(
    frames: np.ndarray, truth: np.ndarray, landmarks: np.ndarray, region: str
) -> float:
    """Variance of the Laplacian in the box of a region, by that of the true frames.

    A blurred result is below 1. Noise and edges that are not in the truth count as detail too, so
    a value above 1 is no praise.

    Args:
        frames: (T, H, W, 3) uint8 RGB of the result.
        truth: (T, H, W, 3) uint8 RGB, the same moments.
        landmarks: (T, 478, 2 or 3) of the truth, frame pixels.
        region: one of `REGIONS`.

    Returns:
        Median over the frames; NaN where no box lies in a frame, or the truth is flat there.

    Raises:
        ShapeError: if the shapes differ, or the region is unknown.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
        >>> marks = np.random.default_rng(1).uniform(9, 55, (1, 478, 2))
        >>> detail_ratio(noise, noise, marks, "mouth")
        1.0
    """
    if region not in REGIONS:
        raise ShapeError(f"region {region!r} is unknown; choose one of {', '.join(REGIONS)}")
    if frames.shape != truth.shape or len(frames) != len(landmarks):
        raise ShapeError(
            f"result {frames.shape}, truth {truth.shape} and landmarks {landmarks.shape} must "
            "show the same moments"
        )
    ratios = []
    for result, wanted, places in zip(frames, truth, landmarks, strict=True):
        box = _box(places[list(REGIONS[region]), :2])
        of_result, of_truth = _detail(result[box]), _detail(wanted[box])
        if of_truth > 0:
            ratios.append(of_result / of_truth)
    return float(np.median(ratios)) if ratios else float("nan")


def _box(places: np.ndarray) -> tuple[slice, slice]:
    low, high = places.min(0), places.max(0)
    room = ROOM * float((high - low).max())
    left, top = np.floor(low - room).clip(0).astype(int)
    right, bottom = np.ceil(high + room).clip(0).astype(int)
    return slice(top, bottom), slice(left, right)


def _detail(picture: np.ndarray) -> float:
    if not picture.size:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
