"""FAD, the Fréchet distance between two sets of face descriptors, with the count it rests on.

FAD here is the Fréchet *face-appearance* distance (not the audio distance of the same
abbreviation). The published one uses ArcFace; ours names its backbone, `dlib-128` or
`blendshapes-52`, and is not comparable with published values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spfem.errors import ShapeError
from spfem.statistics import cluster_bootstrap


@dataclass(frozen=True)
class FrechetDistance:
    """A distance, its interval, and what it rests on.

    `value` is biased upward for few frames, so compare only distances of equal counts.
    """

    value: float
    low: float
    high: float
    generated_frames: int
    real_frames: int


def _covariance_factor(centred: np.ndarray) -> np.ndarray:
    """Matrix R with R^T R the population covariance; no more rows than columns."""
    scaled = centred / np.sqrt(len(centred))
    if len(scaled) <= scaled.shape[1]:
        return scaled
    return np.asarray(np.linalg.qr(scaled, mode="r"))


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
    """
    sets = []
    for name, features in (("generated", generated), ("real", real)):
        features = np.asarray(features, dtype=np.float64)
        if features.ndim != 2 or len(features) < 2:
            raise ShapeError(f"{name} must be (N, C) with N of at least 2; got {features.shape}")
        if not np.isfinite(features).all():
            raise ShapeError(f"{name} holds values that are not finite; drop those frames first")
        sets.append(features)
    if sets[0].shape[1] != sets[1].shape[1]:
        raise ShapeError(
            f"generated and real differ in dimensions: {sets[0].shape[1]} and {sets[1].shape[1]}"
        )
    means = [features.mean(axis=0) for features in sets]
    first, second = (
        _covariance_factor(features - mean) for features, mean in zip(sets, means, strict=True)
    )
    shift = float(((means[0] - means[1]) ** 2).sum())
    spread = float((first**2).sum() + (second**2).sum())
    overlap = float(np.linalg.svd(first @ second.T, compute_uv=False).sum())
    return shift + max(spread - 2 * overlap, 0.0)


def frechet_interval(
    groups: Sequence[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    clusters: np.ndarray,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> FrechetDistance:
    """Mean Fréchet distance over groups (emotions), with an interval from redrawn clips.

    Redrawn sets repeat clips and so hold fewer different frames, which by itself raises the
    distance. The interval is therefore that of the redrawn distances moved so that their mean
    falls on the distance itself.

    Args:
        groups: for each group the generated clips, K arrays (N_k, C) in the same order in every
            group, and the real clips, arrays (M_j, C), which are not redrawn.
        clusters: (K,) or (K, D) labels of the generated clips, outermost level first.
        resamples: number of draws.
        confidence: of the interval.
        seed: of the draws.
    """
    real_sets = [np.concatenate(list(real)) for _, real in groups]
    draws: list[float] = []

    def distance(rows: np.ndarray) -> float:
        draws.append(
            float(
                np.mean(
                    [
                        frechet_distance(np.concatenate([generated[row] for row in rows]), real)
                        for (generated, _), real in zip(groups, real_sets, strict=True)
                    ]
                )
            )
        )
        return draws[-1]

    interval = cluster_bootstrap(
        np.arange(len(clusters)),
        clusters,
        statistic=distance,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    excess = float(np.mean(draws)) - interval.value
    return FrechetDistance(
        interval.value,
        max(min(interval.low - excess, interval.value), 0.0),
        max(interval.high - excess, interval.value),
        sum(len(clip) for generated, _ in groups for clip in generated),
        sum(len(real) for real in real_sets),
    )
