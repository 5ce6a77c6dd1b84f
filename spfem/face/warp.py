"""Alignment exactly as released by NED: pixel indices, zero border, faces cut by their masks."""

from __future__ import annotations

import cv2
import numpy as np


def align_masked(
    face: np.ndarray, mask: np.ndarray, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Aligned face (H, W, 3) and mask (H, W), both uint8; the face is 0 outside the mask.

    Args:
        face: (H, W, 3) uint8.
        mask: (H, W) uint8 0 or 255.
        matrix: (2, 3) crop to aligned, for pixel indices (the first pixel's centre is 0).

    Source: NED align (Lanczos for pictures, nearest for masks, zero border).
    """
    aligned_mask = warp_indices(mask, matrix, nearest=True)
    inside = np.where(mask[..., None] == 0, 0, face).astype(np.uint8)
    aligned = warp_indices(inside, matrix)
    aligned[aligned_mask == 0] = 0
    return aligned, aligned_mask


def unalign_masked(face: np.ndarray, mask: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The aligned face put back into the crop, uint8 (H, W, 3), 0 outside the crop's own mask.

    Args:
        face: (H, W, 3) uint8, aligned.
        mask: (H, W) uint8 of the crop, never aligned.
        matrix: (2, 3) crop to aligned, for pixel indices.

    Source: NED unalign.
    """
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LANCZOS4
    placed = cv2.warpAffine(face, matrix, face.shape[1::-1], flags=flags)
    placed[mask == 0] = 0
    return placed


def warp_indices(image: np.ndarray, matrix: np.ndarray, *, nearest: bool = False) -> np.ndarray:
    """`image` under a (2, 3) map of pixel indices, equal in size, zero border."""
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LANCZOS4
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=flags)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (N, 2) under a (2, 3) map; integer points stay integers, rounded.

    Example:
        >>> double = np.array([[2.0, 0.0, 0.6], [0.0, 2.0, 0.0]])
        >>> transform_points(np.array([[1, 2]]), double).tolist()
        [[3, 4]]
    """
    moved = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    if np.issubdtype(points.dtype, np.integer):
        return np.rint(moved).astype(points.dtype)
    return moved
