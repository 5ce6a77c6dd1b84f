"""Where each of the tracker's 478 landmarks lies on the head (made by `spfem.face.embedding`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spfem.errors import AssetError

EMBEDDING_PATH = Path(__file__).with_name("landmarks.npz")
LANDMARK_COUNT = 478


def read_landmark_embedding() -> tuple[np.ndarray, np.ndarray]:
    """Triangle index (478,) int32 and barycentric place (478, 3) float32 of each landmark.

    Raises:
        AssetError: if the file of this package is missing.
    """
    if not EMBEDDING_PATH.exists():
        raise AssetError(
            f"{EMBEDDING_PATH} is missing; restore it or run: python -m spfem.face.embedding"
        )
    with np.load(EMBEDDING_PATH) as stored:
        return stored["triangles"], stored["barycentric"]
