"""Boxes of a face detector turned into steady square crops, as NED cuts its faces."""

from __future__ import annotations

import cv2
import numpy as np

from spfem.errors import FaceNotFoundError, ShapeError

CROP_SIZE = 256  # pixels
CROP_MARGIN = 70  # pixels of the crop that are not box, both sides together
MEDIAN_FRAMES = 49  # window of the smoothing


def face_crop_boxes(
    boxes: np.ndarray,
    present: np.ndarray,
    frame_size: tuple[int, int],
    *,
    recentre: float = 0.0,
) -> np.ndarray:
    """From detections of a clip to the boxes that `crop_faces` cuts.

    Fills, smooths, squares and grows, as the functions below, over the whole clip at once.
    Departs from NED, which smooths chunks of 500 frames for themselves, so that its crops jump
    every 500 frames.

    Args:
        boxes: (T, 4) detections x0, y0, x1, y1 in frame pixels; rows without one are not read.
        present: (T,) bool, whether the frame has a detection.
        frame_size: (H, W) pixels.
        recentre: moves the crop down, in box heights.

    Returns:
        (T, 4) int64 x0, y0, x1, y1 inside the frame; x1 and y1 are exclusive.

    Raises:
        ShapeError: if the shapes do not fit, or a box is empty.
        FaceNotFoundError: if no frame has a detection.
    """
    filled = fill_missing_boxes(boxes, present)
    return grow_boxes(square_boxes(smooth_boxes(filled), recentre), frame_size)


def fill_missing_boxes(boxes: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Boxes (T, 4), each missing one taken from the next detection, at the end from the last.

    Arguments and errors as in `face_crop_boxes`. Source: NED.
    """
    boxes, present = np.asarray(boxes), np.asarray(present).astype(bool)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or present.shape != boxes.shape[:1]:
        raise ShapeError(f"boxes {boxes.shape} and present {present.shape} must be (T, 4) and (T,)")
    found = np.flatnonzero(present)
    if not len(found):
        raise FaceNotFoundError(
            f"the detector found no face in any of the {len(boxes)} frames; give a clip that "
            "shows one"
        )
    if not (boxes[found, 2:] > boxes[found, :2]).all():  # also false for nan
        raise ShapeError("a box is empty or not finite; boxes are x0, y0, x1, y1 in pixels")
    following = np.searchsorted(found, np.arange(len(boxes)))
    return boxes[found[np.minimum(following, len(found) - 1)]]


def smooth_boxes(boxes: np.ndarray, window_frames: int = MEDIAN_FRAMES) -> np.ndarray:
    """Median over time of each coordinate of boxes (T, 4), mirrored at the ends.

    The window is cut to the clip and made odd (one frame less). Source: NED.
    """
    from scipy.ndimage import median_filter

    window = min(window_frames, len(boxes))
    window -= 1 - window % 2
    return median_filter(boxes, size=(window, 1), mode="reflect")


def square_boxes(boxes: np.ndarray, recentre: float = 0.0) -> np.ndarray:
    """Boxes (T, 4) made as wide as they are high, about their middle, and moved down.

    `recentre` is in box heights. Source: NED.
    """
    left, top, right, bottom = boxes.T
    height = bottom - top
    wider = (height - (right - left)) / 2
    bottom = bottom + recentre * height
    return np.stack([left - wider, bottom - height, right + wider, bottom], axis=1)


def grow_boxes(
    boxes: np.ndarray,
    frame_size: tuple[int, int],
    margin: int = CROP_MARGIN,
    crop_size: int = CROP_SIZE,
) -> np.ndarray:
    """Boxes (T, 4) int64 with a margin, cut to the frame and truncated to pixels.

    The margin is `margin` of `crop_size` pixels of the crop, both sides together. Boxes at the
    border of the frame are no longer square, as released.

    Raises:
        ShapeError: if a box lies outside the frame.

    Source: NED (facenet's crop).
    """
    height, width = frame_size
    grown = margin * (boxes[:, 2:] - boxes[:, :2]) / (crop_size - margin) / 2
    low = np.maximum(boxes[:, :2] - grown, 0)
    high = np.minimum(boxes[:, 2:] + grown, np.array([width, height], boxes.dtype))
    cut = np.concatenate([low, high], axis=1).astype(np.int64)
    if not (cut[:, 2:] > cut[:, :2]).all():
        raise ShapeError(
            f"a box lies outside the frame of {width} x {height} pixels; give the size of the "
            "frames that were searched"
        )
    return cut


def crop_faces(frames: np.ndarray, boxes: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
    """Cut boxes (T, 4) out of frames (T, H, W, 3) uint8: (T, size, size, 3) uint8.

    Departs from NED in the resampling only: area means where the crop shrinks, as Pillow's
    filter there, bilinear where it grows.
    """
    crops = []
    for frame, (left, top, right, bottom) in zip(frames, boxes, strict=True):
        smaller = min(right - left, bottom - top) > size
        method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        crops.append(cv2.resize(frame[top:bottom, left:right], (size, size), interpolation=method))
    return np.stack(crops)
