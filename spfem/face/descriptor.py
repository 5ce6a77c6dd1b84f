"""Who is seen: dlib's face descriptor, on chips that are cut from tracked landmarks."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import torch

from spfem.errors import ShapeError
from spfem.face.align import index_convention
from spfem.face.identity_network import COORDINATES, SIDE, FaceResNet, load_identity_features

SAME_PERSON_DISTANCE = 0.6  # below it dlib's authors call two descriptors one person
CHIP_SIZE = SIDE

CHIP_LANDMARKS = (263, 362, 33, 133, 2)
"""Tracker landmarks at dlib's five points: eye corners (outer, inner) and foot of the nose."""

_FIVE_POINTS = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
_PADDING = 0.25
CHIP_POINTS = CHIP_SIZE * (np.asarray(_FIVE_POINTS) + _PADDING) / (2 * _PADDING + 1)
"""(5, 2) places of the five points on a chip, in pixels (x, y)."""


@cache
def _load_network() -> FaceResNet:
    return load_identity_features()


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares rotation, scale and shift (2, 3) from points (N, 2) to points (N, 2).

    No reflection. Batched over leading axes: (..., N, 2) gives (..., 2, 3).
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    flat, goal = source - source_mean, target - target_mean
    energy = (flat**2).sum((-2, -1))
    cosine = (flat * goal).sum((-2, -1)) / energy
    sine = (flat[..., 0] * goal[..., 1] - flat[..., 1] * goal[..., 0]).sum(-1) / energy
    turn = np.stack(
        [np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2
    )
    shift = target_mean.swapaxes(-1, -2) - turn @ source_mean.swapaxes(-1, -2)
    return np.concatenate([turn, shift], axis=-1)


def cut_aligned(
    frames: np.ndarray,
    landmarks: np.ndarray,
    marks: tuple[int, ...],
    places: np.ndarray,
    size: int,
    *,
    border: int = cv2.BORDER_REPLICATE,
    between_pixels: bool = False,
) -> np.ndarray:
    """Cut squares in which some landmarks come to lie at given places.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
        marks: N landmarks.
        places: (N, 2) where they belong, pixels of the square.
        size: S, side of the square, pixels.
        border: OpenCV's name for what lies beyond the frame.
        between_pixels: pixel 0 lies at 0.5, as everywhere in this package; without, at 0, as
            networks learned that were trained on OpenCV's crops.

    Returns:
        (T, S, S, 3) uint8 RGB.

    Raises:
        ShapeError: if the shapes do not fit.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ShapeError(f"frames must be (T, H, W, 3) uint8; got {frames.shape} {frames.dtype}")
    if landmarks.ndim != 3 or landmarks.shape[:2] != (len(frames), 478):
        raise ShapeError(f"landmarks must be ({len(frames)}, 478, 2 or 3); got {landmarks.shape}")
    squares = np.empty((len(frames), size, size, 3), np.uint8)
    matrices = similarity_transform(landmarks[:, marks, :2], places)
    for index, (frame, matrix) in enumerate(zip(frames, matrices, strict=True)):
        # Shrinking by more than half would alias with bilinear sampling alone.
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if scale < 0.5:
            frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
        placed = index_convention(matrix) if between_pixels else matrix
        squares[index] = cv2.warpAffine(frame, placed, (size, size), borderMode=border)
    return squares


def face_chips(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Faces (T, 150, 150, 3) uint8 RGB as dlib wants them; arguments as in `cut_aligned`."""
    return cut_aligned(frames, landmarks, CHIP_LANDMARKS, CHIP_POINTS, CHIP_SIZE)


@torch.inference_mode()
def embed_chips(chips: np.ndarray, *, batch_size: int = 16) -> np.ndarray:
    """Descriptors (T, 128) float32 of chips (T, 150, 150, 3) uint8 RGB, as dlib gives them.

    They are those of dlib to within 1e-6, at a tenth of its time on one core.

    Raises:
        AssetError: if dlib's weights are missing or damaged.
        ShapeError: if the chips have another shape.
    """
    if chips.ndim != 4 or chips.shape[1:] != (CHIP_SIZE, CHIP_SIZE, 3):
        raise ShapeError(f"chips must be (T, 150, 150, 3); got {chips.shape}")
    network = _load_network()
    rows = [np.zeros((0, COORDINATES), np.float32)]
    for start in range(0, len(chips), batch_size):
        batch = torch.tensor(chips[start : start + batch_size]).permute(0, 3, 1, 2)
        rows.append(network(batch / 127.5 - 1).numpy())
    return np.concatenate(rows)
