"""Fréchet distances of a method's edits to real clips, by emotion, with their redraws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spfem.errors import ShapeError
from spfem.evaluation.emotion_means import Mean
from spfem.evaluation.frechet import frechet_distance, frechet_draws
from spfem.evaluation.identity import unit_length
from spfem.evaluation.resampling import redraw_counts
from spfem.evaluation.scores import ClipScore, FaceSample
from spfem.settings import EMOTIONS, EvaluationSettings

BLENDSHAPES = "blendshapes-51"


def frechet_backbones(real: Sequence[FaceSample]) -> tuple[str, ...]:
    """Features that Fréchet distances are taken on: those of identity, and blendshapes."""
    return (*dict.fromkeys(sample.backbone for sample in real), BLENDSHAPES)


def frechet_features(sample: FaceSample, backbone: str) -> np.ndarray:
    """Features (N, C) of a clip: embeddings of unit length, or blendshapes."""
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
) -> dict[str, Mean]:
    """Distance of one method's edits of each emotion to the real clips of that emotion.

    Two methods with the same edits are redrawn alike, so that their draws may be subtracted.

    Args:
        scores: of one method in one setting.
        real: samples of real clips of the target actors, all emotions.
        backbone: one of `frechet_backbones`.
        settings: resamples.
        seed: of the redraws.

    Returns:
        By emotion, where faces were found; `clips` counts sources.
    """
    # Seeds show the same clips, so a unit that is redrawn holds all seeds of a source.
    units = sorted({(s.edit.actor, s.edit.source) for s in scores})
    resamples = min(settings.resamples, settings.frechet_resamples)
    counts = redraw_counts(np.asarray(units), resamples=resamples, seed=seed)
    means = {}
    for emotion in EMOTIONS:
        part = [s for s in scores if s.edit.emotion == emotion]
        if not part:
            continue
        generated = [
            np.concatenate(
                [frechet_features(s.sample, backbone) for s in part if s.edit.source == source]
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


def frame_counts(scores: Sequence[ClipScore], real: Sequence[FaceSample]) -> pd.DataFrame:
    """Frames behind each Fréchet distance: compare only distances of equal counts.

    Returns:
        Columns setting, method, backbone, emotion, generated_frames, real_frames.
    """
    rows = [
        {
            "setting": s.edit.setting,
            "method": s.method,
            "backbone": backbone,
            "emotion": s.edit.emotion,
            "generated_frames": len(frechet_features(s.sample, backbone)),
        }
        for s in scores
        for backbone in frechet_backbones(real)
    ]
    key = ["setting", "method", "backbone", "emotion"]
    table = pd.DataFrame(rows).groupby(key, as_index=False, sort=False).sum()
    table["real_frames"] = [
        sum(len(frechet_features(s, backbone)) for s in real if s.emotion == emotion)
        for backbone, emotion in zip(table.backbone, table.emotion, strict=True)
    ]
    return table
