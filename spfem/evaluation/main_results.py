"""The main results table: methods by metrics by emotions, with intervals clustered by actor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spfem.errors import ShapeError
from spfem.evaluation.frechet import frechet_distance, frechet_draws
from spfem.evaluation.identity import unit_length
from spfem.evaluation.protocol import SETTINGS
from spfem.evaluation.resampling import interval_of, redraw_counts
from spfem.evaluation.results_schema import AVERAGE, COLUMNS, check_main_results
from spfem.evaluation.scores import CLIP_METRICS, METHODS, ClipScore, FaceSample
from spfem.settings import EMOTIONS, EvaluationSettings

FRECHET_BACKBONES = ("dlib-128", "blendshapes-51")


def frechet_features(sample: FaceSample, backbone: str) -> np.ndarray:
    """Features (N, C) of a clip: embeddings of unit length, or blendshapes."""
    if backbone == "dlib-128":
        return unit_length(sample.embeddings.astype(np.float64))
    if backbone == "blendshapes-51":
        return sample.blendshapes.astype(np.float64)
    raise ShapeError(f"backbone {backbone!r} is unknown; choose one of {FRECHET_BACKBONES}")


def main_results(
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Assemble the table.

    A clip's value is its mean over seeds; `average` is the mean over the emotions. Intervals
    redraw actors, then their source clips (all emotions of a source together). The Fréchet
    distance pools the target actors, since one actor gives too few frames; its real frames are
    those of the same actors in the wanted emotion. Rows of `copy` (output = input) and `truth`
    (the true counterpart) calibrate every metric: a metric that praises `copy` rewards doing
    nothing, and no method can be told from `truth` below the distance of `truth`.

    Args:
        scores: one per method, edit and seed.
        real: samples of real clips of the target actors, all emotions.
        settings: resamples and confidence.
        seed: of the resampling.

    Returns:
        Rows with `COLUMNS`; `value` is NaN with `clips` 0 where nothing could be measured.

    Raises:
        ShapeError: if the rows break the table's promises (`check_main_results`).
    """
    rows: list[dict[str, Any]] = []
    for setting in SETTINGS:
        for method in METHODS:
            chosen = [s for s in scores if s.edit.setting == setting and s.method == method]
            if chosen:
                rows += _clip_rows(setting, method, chosen, settings, seed)
                rows += _frechet_rows(setting, method, chosen, real, settings, seed)
    return check_main_results(pd.DataFrame(rows, columns=list(COLUMNS)))


def _clip_rows(
    setting: str,
    method: str,
    scores: Sequence[ClipScore],
    settings: EvaluationSettings,
    seed: int,
) -> list[dict[str, Any]]:
    table = pd.DataFrame(
        {"actor": s.edit.actor, "source": s.edit.source, "emotion": s.edit.emotion, **s.scores}
        for s in scores
    )
    clips = table.groupby(["actor", "source", "emotion"], as_index=False).mean()
    counts = redraw_counts(
        clips[["actor", "source"]].to_numpy(str), resamples=settings.resamples, seed=seed
    )
    rows = []
    for metric, backbone in CLIP_METRICS.items():
        usable = clips[metric].notna().to_numpy()
        values, draws = {}, {}
        for emotion in EMOTIONS:
            of_emotion = (clips.emotion == emotion).to_numpy()
            if not of_emotion.any():
                continue
            row = _row(setting, method, metric, backbone, emotion, scores)
            if (chosen := of_emotion & usable).any():
                taken, weight = clips.loc[chosen, metric].to_numpy(float), counts[:, chosen]
                total = weight.sum(axis=1)
                values[emotion] = float(taken.mean())
                draws[emotion] = np.where(total > 0, weight @ taken / np.maximum(total, 1), np.nan)
                row |= _measured(values[emotion], draws[emotion], int(chosen.sum()), settings)
            rows.append(row)
        row = _row(setting, method, metric, backbone, AVERAGE, scores)
        if values:
            row |= _average(values, draws, int(usable.sum()), settings)
        rows.append(row)
    return rows


def _frechet_rows(
    setting: str,
    method: str,
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    seed: int,
) -> list[dict[str, Any]]:
    # Seeds show the same clips, so a unit that is redrawn holds all seeds of a source.
    units = sorted({(s.edit.actor, s.edit.source) for s in scores})
    resamples = min(settings.resamples, settings.frechet_resamples)
    counts = redraw_counts(np.asarray(units), resamples=resamples, seed=seed)
    rows = []
    for backbone in FRECHET_BACKBONES:
        values, draws, clips = {}, {}, 0
        for emotion in EMOTIONS:
            part = [s for s in scores if s.edit.emotion == emotion]
            if not part:
                continue
            row = _row(setting, method, "fad", backbone, emotion, scores)
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
                values[emotion] = frechet_distance(np.concatenate(generated), pooled)
                draws[emotion] = frechet_draws(generated, pooled, counts)
                clips += len(units)
                row |= _measured(
                    values[emotion], draws[emotion], len(units), settings, frechet=True
                )
            rows.append(row)
        row = _row(setting, method, "fad", backbone, AVERAGE, scores)
        if values:
            row |= _average(values, draws, clips, settings, frechet=True)
        rows.append(row)
    return rows


def _average(
    values: Mapping[str, float],
    draws: Mapping[str, np.ndarray],
    clips: int,
    settings: EvaluationSettings,
    *,
    frechet: bool = False,
) -> dict[str, Any]:
    value = float(np.mean(list(values.values())))
    drawn = np.nanmean(np.stack(list(draws.values())), axis=0)
    return _measured(value, drawn, clips, settings, frechet=frechet)


def _measured(
    value: float,
    draws: np.ndarray,
    clips: int,
    settings: EvaluationSettings,
    *,
    frechet: bool = False,
) -> dict[str, Any]:
    interval = interval_of(value, draws, settings.confidence, centred=frechet)
    low = max(interval.low, 0.0) if frechet else interval.low
    return {"value": value, "ci_low": low, "ci_high": interval.high, "clips": clips}


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
        for backbone in FRECHET_BACKBONES
    ]
    key = ["setting", "method", "backbone", "emotion"]
    table = pd.DataFrame(rows).groupby(key, as_index=False, sort=False).sum()
    table["real_frames"] = [
        sum(len(frechet_features(s, backbone)) for s in real if s.emotion == emotion)
        for backbone, emotion in zip(table.backbone, table.emotion, strict=True)
    ]
    return table


def _row(
    setting: str,
    method: str,
    metric: str,
    backbone: str,
    emotion: str,
    scores: Sequence[ClipScore],
) -> dict[str, Any]:
    nothing = float("nan")
    return {
        "setting": setting,
        "method": method,
        "metric": metric,
        "backbone": backbone,
        "emotion": emotion,
        "value": nothing,
        "ci_low": nothing,
        "ci_high": nothing,
        "seeds": len({score.seed for score in scores}),
        "clips": 0,
    }
