"""The face mask of aligned frames: drawn face, united with the outline of the landmarks."""

from __future__ import annotations

import cv2
import numpy as np

from spfem.face.landmark_sets import FACE_OVAL


def face_masks(drawn: np.ndarray, landmarks: np.ndarray, align: np.ndarray) -> np.ndarray:
    """Masks uint8 (T, S, S), 255 inside the face: forehead to jaw with the opened mouth.

    Args:
        drawn: (T, S, S) uint8 masks of the drawn mesh.
        landmarks: (T, 478, 2 or 3) tracked, frame pixels.
        align: (T, 2, 3) frame pixels to aligned pixels.
    """
    outline = landmarks[:, list(FACE_OVAL), :2] @ align[:, :, :2].transpose(0, 2, 1)
    outline = np.round(outline + align[:, None, :, 2] - 0.5).astype(np.int32)
    masks = drawn.copy()
    for mask, polygon in zip(masks, outline, strict=True):
        cv2.fillPoly(mask, [cv2.convexHull(polygon)], (255,))
    return masks


def unite_masks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Masks (T, S, S) of the face both as it was and as it becomes, such as with the jaw open."""
    return np.maximum(first, second)
