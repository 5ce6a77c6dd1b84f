"""FAD, the Fréchet distance between two sets of face descriptors, with the count it rests on.

FAD here is the Fréchet *face-appearance* distance (not the audio distance of the same
abbreviation). The published one uses ArcFace; ours names its backbone, `dlib-128` or
`blendshapes-51`, and is not comparable with published values. It is biased upward for few frames,
so only distances of equal counts may be compared (`frechet_of_edits.frame_counts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spfem.errors import ShapeError


class _Gaussian(NamedTuple):
    """Mean (C,) and a matrix R (R, C) with R^T R the population covariance, R at most C rows."""

    mean: np.ndarray
    factor: np.ndarray


def _describe(name: str, features: np.ndarray) -> _Gaussian:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ShapeError(f"{name} must be (N, C) with N of at least 2; got {features.shape}")
    if not np.isfinite(features).all():
        raise ShapeError(f"{name} holds values that are not finite; drop those frames first")
    mean = features.mean(axis=0)
    factor = (features - mean) / np.sqrt(len(features))
    if len(factor) > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return _Gaussian(mean, factor)


def _distance(first: _Gaussian, second: _Gaussian) -> float:
    if first.mean.shape != second.mean.shape:
        raise ShapeError(
            f"generated and real differ in dimensions: {len(first.mean)} and {len(second.mean)}"
        )
    shift = float(((first.mean - second.mean) ** 2).sum())
    spread = float((first.factor**2).sum() + (second.factor**2).sum())
    overlap = float(np.linalg.svd(first.factor @ second.factor.T, compute_uv=False).sum())
    return shift + max(spread - 2 * overlap, 0.0)


def frechet_distance(generated: np.ndarray, real: np.ndarray) -> float:
    """Fréchet distance of two sets of features seen as Gaussians.

    |m_g - m_r|^2 + Tr(S_g + S_r - 2 (S_g S_r)^(1/2)), in float64 with population covariances.
    Tr (S_g S_r)^(1/2) is the sum of the singular values of R_g R_r^T where S = R^T R, which needs
    no matrix square root and stays exact for fewer frames than dimensions.

    Args:
        generated: (N, C) features.
        real: (M, C) features.

    Returns:
        At least 0; at most 4 for features of unit length.

    Raises:
        ShapeError: for other shapes, fewer than two rows or values that are not finite.

    Example:
        >>> real = np.random.default_rng(0).normal(size=(100, 2))
        >>> round(frechet_distance(real + [3.0, 4.0], real), 6)
        25.0
    """
    return _distance(_describe("generated", generated), _describe("real", real))


def frechet_draws(
    generated: Sequence[np.ndarray], real: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Fréchet distances of redrawn generated clips to one real set.

    Redrawn sets repeat clips and so hold fewer different frames, which by itself raises the
    distance: move the draws onto the distance of all clips before taking an interval.

    Args:
        generated: K clips (N_k, C).
        real: (M, C) features, not redrawn.
        counts: (R, K) how often each clip occurs in each draw, at least once in all.

    Returns:
        (R,) distances.
    """
    target = _describe("real", real)
    return np.asarray(
        [
            _distance(_describe("generated", _repeat(generated, row)), target)
            for row in np.asarray(counts)
        ]
    )


def _repeat(clips: Sequence[np.ndarray], counts: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [clip for clip, count in zip(clips, counts, strict=True) for _ in range(count)]
    )
