"""Aligned faces: one closed-form similarity a frame, to a template and back; and their masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from spfem.errors import ShapeError
from spfem.face.camera import smooth_over_time
from spfem.face.landmarks import FACE_OVAL, OUTER_LIPS
from spfem.head.model import HeadModel

if TYPE_CHECKING:
    from spfem.face.track import FaceTrack

CROP_SPAN = 0.92  # head units across the aligned square: forehead to an opened jaw
CROP_CENTRE = (0.0, -0.04)  # of the square on the mean head, head units


def umeyama(source: np.ndarray, target: np.ndarray, *, with_scale: bool = True) -> np.ndarray:
    """Least-squares similarity (2, 3), never mirrored, from points (N, 2) to points (N, 2).

    It maps (x, y, 1) of the source to the target; without `with_scale` it only turns and shifts.

    Raises:
        ShapeError: if the shapes differ, N < 2, or all source points coincide.

    Source: Umeyama 1991, as used by NED for its template.

    Example:
        >>> corners = np.array([[0, 0], [1, 0], [1, 1]])
        >>> turned = np.array([[5, 0], [5, 2], [3, 2]])  # a quarter turn, twice as large
        >>> (umeyama(corners, turned).round(6) + 0.0).tolist()
        [[0.0, -2.0, 5.0], [2.0, 0.0, 0.0]]
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise ShapeError(
            f"source {source.shape} and target {target.shape} must be equal (N, 2) with N > 1"
        )
    source_centre, target_centre = source.mean(0), target.mean(0)
    flat, wanted = source - source_centre, target - target_centre
    variance = (flat**2).sum() / len(flat)
    if variance < 1e-18:
        raise ShapeError("all source points coincide; a similarity needs two different places")
    left, size, right = np.linalg.svd(wanted.T @ flat / len(flat))
    sign = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    rotation = left * sign @ right
    scale = size @ sign / variance if with_scale else 1.0
    return np.column_stack([scale * rotation, target_centre - scale * rotation @ source_centre])


def template_landmarks(head: HeadModel, face_size: int) -> np.ndarray:
    """Landmarks (478, 2) of the neutral mean head in pixels of the aligned square."""
    return to_face_pixels(head.landmarks(head.mean)[:, :2], face_size)


def to_face_pixels(places: np.ndarray, face_size: int) -> np.ndarray:
    """Pixels of the aligned square of frontal places (..., 2) in head units.

    Example:
        >>> to_face_pixels(np.array(CROP_CENTRE), 96).tolist()
        [48.0, 48.0]
    """
    return (places - np.array(CROP_CENTRE)) * (face_size / CROP_SPAN) + face_size / 2


def invert(matrix: np.ndarray) -> np.ndarray:
    """The inverse (..., 2, 3) of affine maps (..., 2, 3)."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], -1)


def alignment_matrices(
    landmarks: np.ndarray, template: np.ndarray, smoothness: float = 1.0
) -> np.ndarray:
    """Similarities (T, 2, 3) float32 from frame pixels to aligned pixels, smooth over time.

    Args:
        landmarks: (T, 478, 2) frame pixels; best those of the fitted head at rest, so that
            expressions do not move the crop. The outline is left out.
        template: (478, 2) aligned pixels.
        smoothness: strength of Whittaker's smoother on the matrix entries.
    """
    inside = np.setdiff1d(np.arange(landmarks.shape[1]), FACE_OVAL)
    wanted = template[inside].astype(np.float64)
    source = landmarks[:, inside, :2].astype(np.float64)
    # The similarity into the template, found in the complex plane: exact and batched.
    points, goal = source @ np.array([1, 1j]), wanted @ np.array([1, 1j])
    centre = points.mean(1, keepdims=True)
    flat = points - centre
    turn = (flat.conj() * (goal - goal.mean())).sum(1) / (np.abs(flat) ** 2).sum(1)
    # The face's centre is smoothed, not the shift, which would move with every turn.
    rows = np.column_stack([turn.real, turn.imag, centre.real, centre.imag])
    rows = smooth_over_time(torch.from_numpy(rows), smoothness).numpy()
    turn, centre = rows[:, 0] + 1j * rows[:, 1], rows[:, 2] + 1j * rows[:, 3]
    shift = goal.mean() - turn * centre
    matrices = np.stack([turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag], 1)
    return matrices.reshape(-1, 2, 3).astype(np.float32)


def index_convention(matrix: np.ndarray) -> np.ndarray:
    """The map (2, 3) for pixel indices: OpenCV has the first pixel's centre at 0, spfem at 0.5.

    Example:
        >>> index_convention(np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])).tolist()
        [[2.0, 0.0, 0.5], [0.0, 2.0, 0.5]]
    """
    shifted = np.asarray(matrix, np.float64).copy()
    shifted[:, 2] += shifted[:, :2] @ (0.5, 0.5) - 0.5
    return shifted


def align_faces(frames: Iterable[np.ndarray], matrices: np.ndarray, face_size: int) -> np.ndarray:
    """Aligned faces uint8 (T, S, S, 3) of frames (H, W, 3) RGB by maps (T, 2, 3) to aligned pixels.

    The background is kept, borders are repeated. Lanczos resampling; a face larger than the square
    is drawn larger first and then averaged, so that small aligned faces do not alias (NED resamples
    once).
    """
    import cv2  # not of the light install

    faces = []
    for frame, matrix in zip(frames, matrices, strict=True):
        scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        factor = max(1, round(1 / max(scale, 0.05)))
        large = cv2.warpAffine(
            frame,
            index_convention(np.asarray(matrix) * factor),
            (face_size * factor, face_size * factor),
            flags=cv2.INTER_LANCZOS4,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if factor > 1:
            large = cv2.resize(large, (face_size, face_size), interpolation=cv2.INTER_AREA)
        faces.append(large)
    return np.stack(faces)


def unalign_face(
    face: np.ndarray, matrix: np.ndarray, frame_size: tuple[int, int], *, nearest: bool = False
) -> np.ndarray:
    """Put an aligned face (S, S) or (S, S, C) uint8 back into a frame (H, W), 0 outside the square.

    `matrix` (2, 3) maps frame pixels to aligned pixels; `nearest` takes the nearest pixel (masks)
    instead of Lanczos.
    """
    import cv2  # not of the light install

    height, width = frame_size
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LANCZOS4
    return cv2.warpAffine(
        face, index_convention(matrix), (width, height), flags=flags | cv2.WARP_INVERSE_MAP
    )


def face_masks(drawn: np.ndarray, landmarks: np.ndarray, align: np.ndarray) -> np.ndarray:
    """Masks uint8 (T, S, S), 255 inside the face: forehead to jaw with the opened mouth.

    Drawn masks (T, S, S) of the mesh, united with the outline of tracked landmarks (T, 478, 2 or 3)
    in frame pixels, which `align` (T, 2, 3) maps to aligned pixels.
    """
    import cv2  # not of the light install

    outline = landmarks[:, list(FACE_OVAL), :2] @ align[:, :, :2].transpose(0, 2, 1)
    outline = np.round(outline + align[:, None, :, 2] - 0.5).astype(np.int32)
    masks = drawn.copy()
    for mask, polygon in zip(masks, outline, strict=True):
        cv2.fillPoly(mask, [cv2.convexHull(polygon)], (255,))
    return masks


def aligned_centres(track: FaceTrack, points: Sequence[int]) -> np.ndarray:
    """Mean place (T, 2) of some landmarks of a track, in aligned pixels."""
    centres = track.landmarks[:, list(points), :2].mean(1)
    linear, shift = track.align[:, :, :2], track.align[:, :, 2]
    return (np.einsum("tab,tb->ta", linear, centres) + shift).astype(np.float32)


def mouth_centres(track: FaceTrack) -> np.ndarray:
    """Centre of the lips (T, 2) in aligned pixels."""
    return aligned_centres(track, OUTER_LIPS)
