"""Who is seen, by a user's ArcFace network, the kind that published CSIM and FAD rest on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spfem.errors import AssetError, ShapeError
from spfem.evaluation.identity import similarity_transform

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
