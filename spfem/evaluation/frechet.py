"""FAD, the Fréchet distance between two sets of face descriptors, with the count it rests on.

FAD here is the Fréchet *face-appearance* distance (not the audio distance of the same
abbreviation). The published one uses ArcFace; ours names its backbone, `dlib-128` or
`blendshapes-51`, and is not comparable with published values. It is biased upward for few frames,
so only distances of equal counts may be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spfem.errors import ShapeError
from spfem.evaluation.identity import unit_length
from spfem.evaluation.scores import FaceSample

BLENDSHAPES = "blendshapes-51"


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


def frechet_distances(
    generated: Sequence[np.ndarray], real: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Fréchet distances to one real set of generated clips that count by weights.

    Equals `frechet_distance` of clips repeated as often as their weight, from the moments of each
    clip, so that a redraw costs the eigenvalues of one matrix.

    Args:
        generated: N clips (N_k, C), some may be empty.
        real: (M, C) features, not redrawn.
        weights: (W, N) at least 0.

    Returns:
        (W,) distances; NaN where fewer than two frames have a weight.
    """
    target = _describe("real", real)
    frames = np.array([len(clip) for clip in generated])
    centred = np.concatenate([clip.reshape(-1, real.shape[1]) for clip in generated]) - target.mean
    seen = centred @ target.factor.T  # along the directions that the real set has
    ends = np.cumsum(frames)[:-1]
    sums = np.stack([part.sum(axis=0) for part in np.split(centred, ends)])
    squares = np.array([(part**2).sum() for part in np.split(centred, ends)])
    outer = np.stack([part.T @ part for part in np.split(seen, ends)])
    count = weights @ frames
    count = np.where(count >= 2, count, np.nan)
    mean = weights @ sums / count[:, None]
    shift = (mean**2).sum(axis=1)
    spread = weights @ squares / count - shift + (target.factor**2).sum()
    along = mean @ target.factor.T
    matrices = (weights @ outer.reshape(len(outer), -1)).reshape(-1, *outer.shape[1:])
    matrices = matrices / count[:, None, None] - along[:, :, None] * along[:, None, :]
    found, distances = np.isfinite(count), np.full(len(weights), np.nan)
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(matrices[found]), 0.0)).sum(axis=1)
    distances[found] = shift[found] + np.maximum(spread[found] - 2 * roots, 0.0)
    return distances


def frechet_backbones(real: Sequence[FaceSample]) -> tuple[str, ...]:
    """Features that Fréchet distances are taken on: those of identity, and blendshapes."""
    return (*dict.fromkeys(sample.backbone for sample in real), BLENDSHAPES)


def frechet_features(sample: FaceSample, backbone: str) -> np.ndarray:
    """Features (N, C) of a clip: embeddings of unit length, or blendshapes.

    Raises:
        ShapeError: if the clip has no features of that backbone.
    """
    if backbone == BLENDSHAPES:
        return sample.blendshapes.astype(np.float64)
    if backbone == sample.backbone:
        return unit_length(sample.embeddings.astype(np.float64))
    raise ShapeError(
        f"backbone {backbone!r} is unknown; choose {sample.backbone!r} or {BLENDSHAPES!r}"
    )
