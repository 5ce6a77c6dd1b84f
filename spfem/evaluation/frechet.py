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
from spfem.evaluation.scores import ClipScore, FaceSample
from spfem.settings import EMOTIONS, EvaluationSettings
from spfem.statistics import Mean, redraw_counts

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
    target, distances = _describe("real", real), []
    for row in np.asarray(counts):
        drawn = [clip for clip, count in zip(generated, row, strict=True) for _ in range(count)]
        distances.append(_distance(_describe("generated", np.concatenate(drawn)), target))
    return np.asarray(distances)


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


def frechet_means(
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    backbone: str,
    settings: EvaluationSettings,
    seed: int,
    *,
    redraw_actors: bool = True,
) -> dict[str, Mean]:
    """Distance of one method's edits of each emotion to the real clips of that emotion.

    Two methods with the same edits are redrawn alike, so that their draws may be subtracted.

    Args:
        scores: of one method in one setting.
        real: samples of real clips of the target actors, all emotions.
        backbone: one of `frechet_backbones`.
        settings: resamples.
        seed: of the redraws.
        redraw_actors: redraw actors, then their sources; else sources alone.

    Returns:
        By emotion, where faces were found; `clips` counts sources.
    """
    # Seeds show the same clips, so a unit that is redrawn holds all seeds of a source.
    units = sorted({(s.edit.actor, s.edit.source) for s in scores})
    clusters = np.asarray(units) if redraw_actors else np.asarray([source for _, source in units])
    resamples = min(settings.resamples, settings.frechet_resamples)
    counts = redraw_counts(clusters, resamples=resamples, seed=seed)
    means = {}
    for emotion in EMOTIONS:
        part = [s for s in scores if s.edit.emotion == emotion]
        if not part:
            continue
        generated = [
            np.concatenate(
                [
                    frechet_features(s.sample, backbone)
                    for s in part
                    if s.edit.source == source and len(s.sample.blendshapes)
                ]
                or [np.zeros((0, 1))]
            )
            for _, source in units
        ]
        target = [frechet_features(s, backbone) for s in real if s.emotion == emotion]
        # A source without faces would change which sets are compared: no value then.
        if target and min(map(len, generated)) >= 2:
            pooled = np.concatenate(target)
            value = frechet_distance(np.concatenate(generated), pooled)
            means[emotion] = Mean(value, frechet_draws(generated, pooled, counts), len(units))
    return means
