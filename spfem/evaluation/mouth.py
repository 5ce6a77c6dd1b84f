"""A result against the true counterpart, seen by one tracker: lips, codes, detail and pixels."""

from __future__ import annotations

import cv2
import numpy as np

from spfem.errors import ShapeError
from spfem.face.descriptor import similarity_transform
from spfem.face.landmarks import (
    EYE_CORNERS,
    INNER_LIPS,
    LEFT_EYE,
    LIP_RINGS,
    LOWER_INNER_LIP,
    OUTER_LIPS,
    RIGHT_EYE,
    UPPER_INNER_LIP,
    interocular_distance,
)
from spfem.head.model import load_head_model

REGIONS = {"mouth": tuple(OUTER_LIPS), "eyes": (*RIGHT_EYE, *LEFT_EYE)}
"""Landmarks whose box is looked at."""

ROOM = 0.15  # around the landmarks, by the longer side of their box
MOUTH = INNER_LIPS + OUTER_LIPS + LIP_RINGS
STABLE = (*EYE_CORNERS, 168, 6, 197, 195, 5, 4, 1, 10, 109, 338, 67, 297, 127, 356, 234, 454)
"""Landmarks that emotion and speech hardly move: eye corners, bridge of the nose, outline."""


def detail_ratio(
    frames: np.ndarray, truth: np.ndarray, landmarks: np.ndarray, region: str
) -> float:
    """Variance of the Laplacian in the box of a region, by that of the true frames.

    A blurred result is below 1. Noise and edges that are not in the truth count as detail too, so
    a value above 1 is no praise.

    Args:
        frames: (T, H, W, 3) uint8 RGB of the result.
        truth: (T, H, W, 3) uint8 RGB, the same moments.
        landmarks: (T, 478, 2 or 3) of the truth, frame pixels.
        region: one of `REGIONS`.

    Returns:
        Median over the frames; NaN where no box lies in a frame, or the truth is flat there.

    Raises:
        ShapeError: if the shapes differ, or the region is unknown.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
        >>> marks = np.random.default_rng(1).uniform(9, 55, (1, 478, 2))
        >>> detail_ratio(noise, noise, marks, "mouth")
        1.0
    """
    return _median_ratio(frames, landmarks, truth, landmarks, region)


def _median_ratio(
    frames: np.ndarray, places: np.ndarray, truth: np.ndarray, true_places: np.ndarray, region: str
) -> float:
    if region not in REGIONS:
        raise ShapeError(f"region {region!r} is unknown; choose one of {', '.join(REGIONS)}")
    _check_pictures(frames, truth, places)
    marks, ratios = list(REGIONS[region]), []
    for result, own, wanted, true in zip(frames, places, truth, true_places, strict=True):
        of_result = _detail(result[_box(own[marks, :2])])
        of_truth = _detail(wanted[_box(true[marks, :2])])
        if of_truth > 0:
            ratios.append(of_result / of_truth)
    return float(np.median(ratios)) if ratios else float("nan")


def detail_kept(
    frames: np.ndarray, landmarks: np.ndarray, others: np.ndarray, other_landmarks: np.ndarray
) -> float:
    """How alike the detail at mouth and eyes is to that of other frames: 1 as much, 0 none.

    Blur lowers it, and so do noise and edges that the other frames do not have. Each region counts
    by `detail_ratio` or its inverse, whichever is below 1, with boxes around each clip's own
    landmarks, so that moved features are compared too.

    Args:
        frames: (T, H, W, 3) uint8 RGB of the result.
        landmarks: (T, 478, 2 or 3) of the result, frame pixels.
        others: (T, H, W, 3) uint8 RGB, the true edit, or else the unedited clip.
        other_landmarks: (T, 478, 2 or 3) of those.

    Returns:
        Mean over the regions, in [0, 1]; NaN where nothing can be compared.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
        >>> marks = np.random.default_rng(1).uniform(9, 55, (1, 478, 2))
        >>> detail_kept(noise, marks, noise, marks)
        1.0
    """
    clip = frames, landmarks, others, other_landmarks
    ratios = np.array([_median_ratio(*clip, region) for region in REGIONS])
    with np.errstate(divide="ignore"):
        return float(np.minimum(ratios, 1 / ratios).mean())


def _check_pictures(frames: np.ndarray, truth: np.ndarray, landmarks: np.ndarray) -> None:
    if frames.shape != truth.shape or len(frames) != len(landmarks):
        raise ShapeError(
            f"result {frames.shape}, truth {truth.shape} and landmarks {landmarks.shape} must "
            "show the same moments"
        )


def _box(places: np.ndarray) -> tuple[slice, slice]:
    low, high = places.min(0), places.max(0)
    room = ROOM * float((high - low).max())
    left, top = np.floor(low - room).clip(0).astype(int)
    right, bottom = np.ceil(high + room).clip(0).astype(int)
    return slice(top, bottom), slice(left, right)


def _detail(picture: np.ndarray) -> float:
    if not picture.size:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


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
        truth: (T, 478, 2 or 3) of the true counterpart, same frames.

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
    matrices = similarity_transform(result[:, STABLE, :2], truth[:, STABLE, :2])
    lips = result[:, MOUTH, :2].astype(np.float64)
    moved = lips @ matrices[:, :, :2].swapaxes(-1, -2) + matrices[:, None, :, 2]
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


def expression_gain(result: np.ndarray, source: np.ndarray, truth: np.ndarray) -> float:
    """How much of the way from source to truth an edit went in expression codes.

    1 - e / c, where e is the `expression_error` of the result and c that of the unedited source. So
    a copy scores 0, the truth 1, half the way 0.5; an edit that goes too far loses again what it
    gained, and one that moves elsewhere falls below 0.

    Args:
        result: (T, E) codes of the result.
        source: (T, E) codes of the unedited clip, same frames.
        truth: (T, E) codes of the true edit, same frames.

    Returns:
        At most 1; NaN where the truth is the source, so that there is no way to go.

    Raises:
        ShapeError: if the codes are not (T, E) arrays of one shape.

    Example:
        >>> source, truth = np.zeros((2, 3)), np.ones((2, 3))
        >>> [expression_gain(source + share, source, truth) for share in (0.0, 0.5, 1.0, 1.5)]
        [0.0, 0.5, 1.0, 0.5]
    """
    way = expression_error(source, truth)
    return 1 - expression_error(result, truth) / way if way > 0 else float("nan")


def image_entropy(pictures: np.ndarray) -> float:
    """Mean Shannon entropy in bits (0 to 8) of the grey levels of pictures.

    IE is a column of SCMCL's table without a published definition; this is the usual one, taken
    on face chips.

    Args:
        pictures: (T, H, W, 3) uint8 RGB; NaN for none.

    Example:
        >>> halves = np.zeros((1, 2, 2, 3), np.uint8)
        >>> halves[0, 0] = 255
        >>> image_entropy(halves)
        1.0
    """
    if not len(pictures):
        return float("nan")
    grey = np.round(pictures @ np.array([0.299, 0.587, 0.114])).astype(np.int64)
    values = []
    for picture in grey:
        share = np.bincount(picture.ravel(), minlength=256) / picture.size
        share = share[share > 0]
        values.append(-(share * np.log2(share)).sum())
    return float(np.mean(values))


def picture_error(frames: np.ndarray, truth: np.ndarray, landmarks: np.ndarray) -> float:
    """Root mean square difference from the true frames in the face's box, in grey levels.

    PSNR in decibels is 20 log10(255 / error); the error itself is shown because the truth has one
    (0) and the mean over clips makes sense.

    Arguments and errors are those of `detail_ratio`.

    Example:
        >>> black = np.zeros((1, 4, 4, 3), np.uint8)
        >>> picture_error(black + np.uint8(10), black, np.zeros((1, 478, 2)))
        10.0
    """
    _check_pictures(frames, truth, landmarks)
    if not len(frames):
        raise ShapeError("there is no frame to compare with the true one")
    squares, count = 0.0, 0
    for result, wanted, places in zip(frames, truth, landmarks, strict=True):
        low = np.floor(places[:, :2].min(0)).clip(0).astype(int)
        high = np.ceil(places[:, :2].max(0)).astype(int)
        box = slice(low[1], high[1] + 1), slice(low[0], high[0] + 1)
        gap = result[box].astype(np.float64) - wanted[box]
        squares, count = squares + float((gap**2).sum()), count + gap.size
    return float(np.sqrt(squares / count)) if count else float("nan")
