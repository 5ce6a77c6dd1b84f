"""Is the speech kept: lips of a result against the true counterpart, both seen by one tracker."""

from __future__ import annotations

import numpy as np

from spfem.errors import ShapeError
from spfem.evaluation.identity import similarity_transform
from spfem.face.landmark_sets import (
    EYE_CORNERS,
    INNER_LIPS,
    LIP_RINGS,
    LOWER_INNER_LIP,
    OUTER_LIPS,
    UPPER_INNER_LIP,
    interocular_distance,
)
from spfem.head import load_head_model

MOUTH = INNER_LIPS + OUTER_LIPS + LIP_RINGS
STABLE = (*EYE_CORNERS, 168, 6, 197, 195, 5, 4, 1, 10, 109, 338, 67, 297, 127, 356, 234, 454)
"""Landmarks that emotion and speech hardly move: eye corners, bridge of the nose, outline."""


def _check(result: np.ndarray, truth: np.ndarray) -> None:
    if result.shape != truth.shape or result.ndim != 3 or result.shape[1] != 478:
        raise ShapeError(
            "result and truth must be landmarks (T, 478, 2 or 3) of one shape; got "
            f"{result.shape} and {truth.shape}"
        )
    if not len(result):
        raise ShapeError("no frame in which both result and truth show a face")


def mouth_error(result: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the lips from the truth, apart from where the head is.

    Per frame a similarity transform fitted on `STABLE` landmarks moves the result onto the truth;
    then the mean distance of the lip landmarks is taken.

    Args:
        result: (T, 478, 2 or 3) landmarks of the result, pixels.
        truth: (T, 478, 2 or 3) landmarks of the true counterpart, pixels, same frames.

    Returns:
        (T,) percent of the truth's distance between the eyes.

    Raises:
        ShapeError: if shapes differ or no frame is given.

    Example:
        >>> face = np.random.default_rng(0).normal(size=(1, 478, 2))
        >>> mouth_error(2 * face + 5, face).round(6).tolist()  # moved and enlarged, not changed
        [0.0]
    """
    _check(result, truth)
    moved = _move_onto(result, truth)
    distance = np.linalg.norm(moved - truth[:, MOUTH, :2], axis=-1).mean(axis=-1)
    return 100.0 * distance / interocular_distance(truth)


def mesh_mouth_error(
    identity: np.ndarray, expression: np.ndarray, true_expression: np.ndarray
) -> np.ndarray:
    """`mouth_error` of codes on the head mesh itself, seen from the front: no pictures, no tracker.

    It tells what codes are worth apart from what a renderer and the tracking of its pictures add.

    Args:
        identity: (I,) of the person, the same for both.
        expression: (T, E) face units of the edit.
        true_expression: (T, E) the true face units of the same moments.

    Returns:
        (T,) percent of the true mesh's distance between the eyes.

    Raises:
        ShapeError: if the codes are not two (T, E) arrays of one shape that fit the mesh.
    """
    head = load_head_model()
    units = len(head.expression_names)
    if expression.shape != true_expression.shape or expression.shape[1:] != (units,):
        raise ShapeError(
            f"codes must be two (T, {units}) arrays of one shape; got {expression.shape} and "
            f"{true_expression.shape}"
        )
    rest = head.landmarks(head.mean) + np.tensordot(
        identity, head.landmarks(head.identity_basis), axes=1
    )
    moves = head.landmarks(head.expression_basis)
    shown, true = (rest + np.tensordot(e, moves, axes=1) for e in (expression, true_expression))
    return mouth_error(shown, true)


def _move_onto(result: np.ndarray, truth: np.ndarray) -> np.ndarray:
    matrices = similarity_transform(result[:, STABLE, :2], truth[:, STABLE, :2])
    lips = result[:, MOUTH, :2].astype(np.float64)
    return lips @ matrices[:, :, :2].swapaxes(-1, -2) + matrices[:, None, :, 2]


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """Gap (T,) between the inner lips of landmarks (T, 478, 2 or 3), in distances of the eyes."""
    gap = landmarks[:, UPPER_INNER_LIP, :2] - landmarks[:, LOWER_INNER_LIP, :2]
    return np.linalg.norm(gap, axis=-1) / interocular_distance(landmarks)


def mouth_correlation(result: np.ndarray, truth: np.ndarray) -> float:
    """Pearson correlation of the opening curves; arguments as in `mouth_error`.

    A mouth that never moves shows no relation and scores 0.
    """
    _check(result, truth)
    curves = np.stack([mouth_opening(result), mouth_opening(truth)]).astype(np.float64)
    curves -= curves.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(curves, axis=1)
    if (lengths < 1e-5).any():
        return 0.0
    return float(curves[0] @ curves[1] / lengths.prod())


def expression_error(result: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference of expression codes (T, 52) of the same frames.

    Raises:
        ShapeError: if the codes are not two (T, E) arrays of one shape.

    Example:
        >>> expression_error(np.zeros((2, 3)), np.full((2, 3), 0.5))
        0.5
    """
    if result.shape != truth.shape or result.ndim != 2 or not len(result):
        raise ShapeError(
            f"codes must be two (T, E) arrays of one shape; got {result.shape} and {truth.shape}"
        )
    return float(np.abs(result.astype(np.float64) - truth).mean())
