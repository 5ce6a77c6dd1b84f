"""Who is seen: dlib's face descriptor on chips that we cut from tracked landmarks.

Who is seen, by a user's ArcFace network, the kind that published CSIM and FAD rest on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from spfem.errors import AssetError, ShapeError

BACKBONE = "dlib-128"
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


def face_chips(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Cut the faces as dlib's descriptor wants them.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) tracker landmarks, frame pixels.

    Returns:
        (T, 150, 150, 3) uint8 RGB.

    Raises:
        ShapeError: if the shapes do not fit.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ShapeError(f"frames must be (T, H, W, 3) uint8; got {frames.shape} {frames.dtype}")
    if landmarks.ndim != 3 or landmarks.shape[:2] != (len(frames), 478):
        raise ShapeError(f"landmarks must be ({len(frames)}, 478, 2 or 3); got {landmarks.shape}")
    matrices = similarity_transform(landmarks[:, CHIP_LANDMARKS, :2], CHIP_POINTS)
    chips = []
    for frame, matrix in zip(frames, matrices, strict=True):
        # Shrinking by more than half would alias with bilinear sampling alone.
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if scale < 0.5:
            frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
        chips.append(
            cv2.warpAffine(
                frame,
                matrix,
                (CHIP_SIZE, CHIP_SIZE),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )
    return np.stack(chips) if chips else np.zeros((0, CHIP_SIZE, CHIP_SIZE, 3), np.uint8)


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


def identity_embeddings(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Descriptors (T, 128) of the faces in frames; arguments as in `face_chips`.

    About 75 ms a frame on one core, so give a few frames of a clip (`evenly_spaced`).
    Source: dlib's face recognition network; alignment from tracker landmarks is ours.
    """
    return embed_chips(face_chips(frames, landmarks))


class IdentityNetwork(Protocol):
    """Describes who is seen."""

    @property
    def backbone(self) -> str:
        """Name of the network in tables."""

    def embed(self, frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Descriptors (T, C) of faces in frames (T, H, W, 3) with landmarks (T, 478, 2 or 3)."""


@dataclass(frozen=True)
class DlibIdentity:
    """dlib's descriptor, the default."""

    backbone: str = BACKBONE

    def embed(self, frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `identity_embeddings`."""
        return identity_embeddings(frames, landmarks)


def unit_length(embeddings: np.ndarray) -> np.ndarray:
    """Scale descriptors (..., C) to length 1.

    Example:
        >>> unit_length(np.array([3.0, 4.0])).tolist()
        [0.6, 0.8]
    """
    return embeddings / np.linalg.norm(embeddings, axis=-1, keepdims=True)


def cosine_identity(first: np.ndarray, second: np.ndarray) -> float:
    """CSIM: mean cosine of descriptors (T, C) of the same frames of two videos.

    The papers do not say which frames they pair. Here frame t of the edit meets frame t of the
    source, so a copy scores 1 and the number says nothing without an emotion metric beside it.
    With dlib, different people score about 0.85: read it with `identity_distance`.

    Example:
        >>> cosine_identity(np.array([[2.0, 0.0]]), np.array([[0.0, 5.0]]))
        0.0
    """
    _check_pair(first, second)
    return float((unit_length(first) * unit_length(second)).sum(axis=-1).mean())


def identity_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean distance of raw descriptors (T, C) of the same frames; under 0.6 is one person.

    Example:
        >>> identity_distance(np.zeros((1, 2)), np.array([[3.0, 4.0]]))
        5.0
    """
    _check_pair(first, second)
    return float(np.linalg.norm(first - second, axis=-1).mean())


def _check_pair(first: np.ndarray, second: np.ndarray) -> None:
    if first.shape != second.shape or first.ndim != 2 or not len(first):
        raise ShapeError(
            f"descriptors must be two (T, C) arrays of one shape; got {first.shape} and "
            f"{second.shape}"
        )


def evenly_spaced(usable: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` usable frames, spread over the clip, ends left out.

    Args:
        usable: (T,) bool.
        count: number of frames wanted.

    Example:
        >>> evenly_spaced(np.ones(10, bool), 2).tolist()
        [2, 7]
    """
    candidates = np.flatnonzero(usable)
    if len(candidates) <= count:
        return candidates
    places = (np.arange(count) + 0.5) * len(candidates) / count
    return candidates[places.astype(int)]


SIDE = 112  # pixels
POINTS = (468, 473, 1, 61, 291)
"""Tracker landmarks at ArcFace's five points: irises (right, left), tip of the nose, corners of
the mouth (right, left). Right is the person's, which lies left in the picture."""

TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
"""(5, 2) places of the five points in the 112 x 112 crop, pixels (x, y)."""


def arcface_crops(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Faces (T, 112, 112, 3) uint8 RGB, aligned by five points.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.

    Raises:
        ShapeError: if the shapes do not fit.
    """
    import cv2

    if landmarks.ndim != 3 or landmarks.shape[:2] != (len(frames), 478):
        raise ShapeError(f"landmarks must be ({len(frames)}, 478, 2 or 3); got {landmarks.shape}")
    matrices = similarity_transform(landmarks[:, POINTS, :2], TEMPLATE)
    crops = np.empty((len(frames), SIDE, SIDE, 3), np.uint8)
    for index, (frame, matrix) in enumerate(zip(frames, matrices, strict=True)):
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if scale < 0.5:  # bilinear sampling alone would alias
            frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
        crops[index] = cv2.warpAffine(frame, matrix, (SIDE, SIDE))
    return crops


@dataclass(frozen=True)
class ArcFaceIdentity:
    """An ArcFace network in ONNX, such as `w600k_r50.onnx` of insightface.

    Input RGB, (value - 127.5) / 127.5, as the published files of insightface want it; files whose
    graph scales by itself (MXNet exports of 2018) would be scaled twice: give a newer one.
    """

    path: Path
    network: Any
    backbone: str = "arcface"

    def embed(self, frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Descriptors (T, C) float32, as the network gives them (not of length 1)."""
        rows = []
        for crop in arcface_crops(frames, landmarks):
            picture = (crop.astype(np.float32).transpose(2, 0, 1)[None] - 127.5) / 127.5
            self.network.setInput(picture)
            rows.append(np.asarray(self.network.forward(), np.float32).reshape(-1))
        return np.stack(rows) if rows else np.zeros((0, self._coordinates()), np.float32)

    def _coordinates(self) -> int:
        self.network.setInput(np.zeros((1, 3, SIDE, SIDE), np.float32))
        return int(np.asarray(self.network.forward()).size)


def load_arcface(path: Path | str) -> ArcFaceIdentity:
    """Read an ONNX file and try it on one black picture.

    Raises:
        AssetError: if the file is missing, cannot be read, or does not take 112 x 112 faces.
    """
    import cv2

    path = Path(path)
    if not path.is_file():
        raise AssetError(f"{path} (setting arcface_file) is missing; give an ArcFace ONNX file")
    try:
        network = cv2.dnn.readNetFromONNX(str(path))
        identity = ArcFaceIdentity(path, network)
        identity._coordinates()
    except cv2.error as error:
        reason = " ".join(str(error).split())[:200]
        raise AssetError(
            f"{path} is no ONNX network that takes pictures (1, 3, 112, 112) ({reason}); give an "
            "ArcFace file such as w600k_r50.onnx"
        ) from error
    return identity
