"""Eye landmarks and the eye image of NED's renderer: pupils, and how wide they are open."""

from __future__ import annotations

import numpy as np

from spfem.errors import ShapeError
from spfem.face.pupil import pupil_center
from spfem.face.warp import transform_points
from spfem.flame.points_68 import LEFT_IN_IMAGE_EYE, POINTS, RIGHT_IN_IMAGE_EYE

EYE_POINTS = 14  # six of each outline, then the two pupils
OUTLINES = (slice(0, 6), slice(6, 12))
PUPILS = (12, 13)
GREY = (0.2125, 0.7154, 0.0721)  # of red, green, blue, as scikit-image weighs them
RED = (255, 0, 0)


def seen_eyes(images: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Eye landmarks (T, 14, 2) int32, pixel indices, of a clip.

    Args:
        images: (T, H, W, 3) uint8 RGB.
        points: (T, 68, 2), the first pixel's centre at 0.5.

    Raises:
        ShapeError: if an eye's outline holds no pixel.

    Source: spec `face_pipeline.md` 1.2: integers cut off, pupils as dark centres.
    """
    eyes = np.zeros((len(images), EYE_POINTS, 2), np.int32)
    eyes[:, :12] = _outlines(points)
    for image, own in zip(images, eyes, strict=True):
        grey = image @ np.array(GREY) / 255
        for outline, pupil in zip(OUTLINES, PUPILS, strict=True):
            own[pupil] = pupil_center(grey, own[outline])
    return eyes


def edited_eyes(seen: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Eye landmarks (T, 14, 2) int32 of another expression; pupils move along with their eye.

    Args:
        seen: (T, 14, 2) of the source, from `seen_eyes`.
        points: (T, 68, 2) from `face_points` with the new expression, first centre at 0.5.

    Source: spec `manipulator_and_renderer.md` D1.
    """
    outlines = _outlines(points, whole=False)
    pupils = [
        seen[:, pupil] + outlines[:, outline].mean(1) - seen[:, outline].mean(1)
        for outline, pupil in zip(OUTLINES, PUPILS, strict=True)
    ]
    return np.concatenate([outlines, np.stack(pupils, 1)], 1).astype(np.int32)


def align_eyes(eyes: np.ndarray, align: np.ndarray) -> np.ndarray:
    """Eye landmarks (T, 14, 2) int32 in the aligned square, rounded as released.

    Args:
        eyes: (T, 14, 2) int32 pixel indices.
        align: (T, 2, 3) image pixels to aligned pixels, first centre at 0.5.
    """
    shifted = align.astype(np.float64)
    shifted[:, :, 2] += shifted[:, :, :2] @ (0.5, 0.5) - 0.5
    return np.stack([transform_points(own, m) for own, m in zip(eyes, shifted, strict=True)])


def draw_eyes(eyes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Eye images (T, height, width, 3) uint8: a red disc at each pupil, wide as the eye is.

    Args:
        eyes: (T, 14, 2) int32 pixel indices.
        height: pixels.
        width: pixels.

    Source: spec `manipulator_and_renderer.md` D2.
    """
    images = np.zeros((len(eyes), height, width, 3), np.uint8)
    for image, own in zip(images, eyes, strict=True):
        for outline, pupil in zip(OUTLINES, PUPILS, strict=True):
            p = own[outline].astype(np.float64)
            radius = int((np.linalg.norm(p[1] - p[4]) + np.linalg.norm(p[2] - p[5])) / 4)
            across = np.arange(-radius, radius)
            dx, dy = (d.ravel() for d in np.meshgrid(across, across))
            x, y = own[pupil, 0] + dx, own[pupil, 1] + dy
            inside = (np.hypot(dx, dy) < radius) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            image[y[inside], x[inside]] = RED
    return images


def _outlines(points: np.ndarray, *, whole: bool = True) -> np.ndarray:
    if points.ndim != 3 or points.shape[1:] != (POINTS, 2):
        raise ShapeError(f"points are {points.shape}; wanted (T, {POINTS}, 2)")
    chosen = [points[:, eye] - 0.5 for eye in (LEFT_IN_IMAGE_EYE, RIGHT_IN_IMAGE_EYE)]
    outlines = np.concatenate(chosen, 1)
    return outlines.astype(np.int32) if whole else outlines
