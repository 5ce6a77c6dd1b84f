"""Who is seen: dlib's face descriptor, on chips that are cut from tracked landmarks."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spfem.errors import AssetError, ShapeError
from spfem.face.align import index_convention

SAME_PERSON_DISTANCE = 0.6  # below it dlib's authors call two descriptors one person
CHIP_SIZE = 150  # pixels
WEIGHTS_NAME = "dlib_face_recognition_resnet_model_v1.dat"

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


def find_identity_weights() -> Path:
    """Path of dlib's weights in the package that ships them, without importing that package.

    Raises:
        AssetError: if the package or the file is missing.
    """
    spec = find_spec("face_recognition_models")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        path = Path(folder) / "models" / WEIGHTS_NAME
        if path.is_file():
            return path
    raise AssetError(
        f"{WEIGHTS_NAME} was not found; run: pip install --no-deps face_recognition_models==0.3.0"
    )


@cache
def _load_model() -> Any:
    path = find_identity_weights()
    try:
        import dlib
    except ImportError as error:
        raise AssetError(f"dlib cannot be imported ({error}); pip install dlib-bin") from error
    return dlib.face_recognition_model_v1(str(path))


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


def embed_chips(chips: np.ndarray, *, batch_size: int = 16) -> np.ndarray:
    """Descriptors (T, 128) float32 of chips (T, 150, 150, 3) uint8 RGB, as dlib gives them.

    Raises:
        AssetError: if dlib or its weights are missing.
        ShapeError: if the chips have another shape.
    """
    if chips.ndim != 4 or chips.shape[1:] != (CHIP_SIZE, CHIP_SIZE, 3):
        raise ShapeError(f"chips must be (T, 150, 150, 3); got {chips.shape}")
    model = _load_model()
    rows: list[np.ndarray] = []
    for start in range(0, len(chips), batch_size):
        batch = [np.ascontiguousarray(chip) for chip in chips[start : start + batch_size]]
        rows.extend(np.asarray(row) for row in model.compute_face_descriptor(batch, 0))
    return np.asarray(rows, np.float32).reshape(-1, 128)
