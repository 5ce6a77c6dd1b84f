"""What a lip-sync network sees: small grey squares around the mouth, cut from tracked landmarks."""

from __future__ import annotations

from functools import cache

import numpy as np

from spfem.errors import ShapeError
from spfem.evaluation.identity import similarity_transform
from spfem.evaluation.mouth import MOUTH, STABLE
from spfem.face.align import index_convention, template_landmarks
from spfem.face.landmark_sets import interocular_distance
from spfem.head import load_head_model

SPAN = 1.4  # side of the square in distances of the eyes: nose to chin of an open mouth


@cache
def _template() -> np.ndarray:
    """Landmarks (478, 2) of the mean head; the mouth square is the unit square."""
    places = template_landmarks(load_head_model(), 1)
    centre = places[list(MOUTH)].mean(0)
    return (places - centre) / (SPAN * interocular_distance(places)) + 0.5


def lip_crops(frames: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """Cut the mouths out, upright and of one size, wherever the head is.

    The similarity of each frame comes from landmarks that speech hardly moves, so that an opening
    jaw moves in the crop and does not move the crop.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
        size: S, side in pixels.

    Returns:
        (T, S, S) uint8 grey.

    Raises:
        ShapeError: if the shapes do not fit.
    """
    import cv2

    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ShapeError(f"frames must be (T, H, W, 3) uint8; got {frames.shape} {frames.dtype}")
    if landmarks.ndim != 3 or landmarks.shape[:2] != (len(frames), 478):
        raise ShapeError(f"landmarks must be ({len(frames)}, 478, 2 or 3); got {landmarks.shape}")
    wanted = size * _template()[list(STABLE)]
    matrices = similarity_transform(landmarks[:, STABLE, :2], wanted)
    crops = np.empty((len(frames), size, size), np.uint8)
    for index, (frame, matrix) in enumerate(zip(frames, matrices, strict=True)):
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if scale < 0.5:  # bilinear sampling alone would alias
            frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
        cut = cv2.warpAffine(
            frame,
            index_convention(matrix),
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        crops[index] = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY)
    return crops
