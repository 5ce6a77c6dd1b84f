"""Who is seen in edit and source: CSIM and distance, by dlib's network or a user's ArcFace file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from spfem.errors import AssetError, ShapeError
from spfem.face.descriptor import cut_aligned, embed_chips, face_chips

BACKBONE = "dlib-128"
SIDE = 112  # pixels of ArcFace's crops
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


class IdentityNetwork(Protocol):
    """Describes who is seen."""

    @property
    def backbone(self) -> str:
        """Name of the network in tables."""

    def embed(self, frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Descriptors (T, C) of faces in frames (T, H, W, 3) with landmarks (T, 478, 2 or 3)."""


@dataclass(frozen=True)
class DlibIdentity:
    """dlib's descriptor (T, 128), the default.

    About 30 ms a frame on one core, so give a few frames of a clip (`evenly_spaced`).
    Source: dlib's face recognition network; alignment from tracker landmarks is ours.
    """

    backbone: str = BACKBONE

    def embed(self, frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Descriptors (T, 128) float32."""
        return embed_chips(face_chips(frames, landmarks))


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


def arcface_crops(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Faces (T, 112, 112, 3) uint8 RGB, aligned by five points; arguments as in `cut_aligned`."""
    return cut_aligned(frames, landmarks, POINTS, TEMPLATE, SIDE, border=cv2.BORDER_CONSTANT)


@dataclass(frozen=True)
class ArcFaceIdentity:
    """An ArcFace network in ONNX, such as `w600k_r50.onnx` of insightface.

    Input RGB, (value - 127.5) / 127.5, as the published files of insightface want it; files whose
    graph scales by itself (MXNet exports of 2018) would be scaled twice: give a newer one.
    """

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
    path = Path(path)
    if not path.is_file():
        raise AssetError(f"{path} (setting arcface_file) is missing; give an ArcFace ONNX file")
    try:
        network = cv2.dnn.readNetFromONNX(str(path))
        identity = ArcFaceIdentity(network)
        identity._coordinates()
    except cv2.error as error:
        reason = " ".join(str(error).split())[:200]
        raise AssetError(
            f"{path} is no ONNX network that takes pictures (1, 3, 112, 112) ({reason}); give an "
            "ArcFace file such as w600k_r50.onnx"
        ) from error
    return identity
