"""The main results table: methods by metrics by emotions, with intervals clustered by actor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spfem.errors import ShapeError
from spfem.evaluation.frechet import frechet_interval
from spfem.evaluation.identity import unit_length
from spfem.evaluation.protocol import SETTINGS
from spfem.evaluation.scores import CLIP_METRICS, METHODS, ClipScore, FaceSample
from spfem.settings import EMOTIONS, EvaluationSettings
from spfem.statistics import cluster_bootstrap

COLUMNS = (
    "setting", "method", "metric", "backbone", "emotion", "value", "ci_low", "ci_high", "seeds",
    "clips",
)  # fmt: skip
AVERAGE = "average"
FRECHET_BACKBONES = ("dlib-128", "blendshapes-52")

HIGHER_IS_BETTER: Mapping[str, bool] = {
    "fad": False,
    "csim": True,
    "identity_distance": False,
    "mouth_error": False,
    "mouth_correlation": True,
    "expression_error": False,
    "emotion_accuracy": True,
    "face_found": True,
}


def frechet_features(sample: FaceSample, backbone: str) -> np.ndarray:
    """Features (N, C) of a clip: embeddings of unit length, or blendshapes."""
    if backbone == "dlib-128":
        return unit_length(sample.embeddings.astype(np.float64))
    if backbone == "blendshapes-52":
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
    rows = []
    for metric, backbone in CLIP_METRICS.items():
        usable = clips.dropna(subset=[metric])
        for emotion in (*EMOTIONS, AVERAGE):
            part = usable if emotion == AVERAGE else usable[usable.emotion == emotion]
            if emotion != AVERAGE and not (clips.emotion == emotion).any():
                continue
            row = _row(setting, method, metric, backbone, emotion, scores)
            if len(part):
                interval = cluster_bootstrap(
                    part[[metric]].assign(e=part.emotion.map(EMOTIONS.index)).to_numpy(float),
                    part[["actor", "source"]].to_numpy(str),
                    statistic=_mean_over_emotions,
                    resamples=settings.resamples,
                    confidence=settings.confidence,
                    seed=seed,
                )
                row |= {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}
            rows.append(row | {"clips": len(part)})
    return rows


def _mean_over_emotions(values: np.ndarray) -> float:
    """Mean of the means of each emotion; rows are (value, emotion index)."""
    sums = np.bincount(values[:, 1].astype(int), values[:, 0])
    counts = np.bincount(values[:, 1].astype(int))
    return float((sums[counts > 0] / counts[counts > 0]).mean())


def _frechet_rows(
    setting: str,
    method: str,
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    seed: int,
) -> list[dict[str, Any]]:
    rows = []
    for backbone in FRECHET_BACKBONES:
        real_sets = {
            emotion: [frechet_features(s, backbone) for s in real if s.emotion == emotion]
            for emotion in EMOTIONS
        }
        # Seeds show the same clips, so a unit that is redrawn holds all seeds of a source.
        units = sorted({(s.edit.actor, s.edit.source) for s in scores})
        groups, counts = {}, {}
        for emotion in EMOTIONS:
            part = [s for s in scores if s.edit.emotion == emotion]
            clips = [
                [frechet_features(s.sample, backbone) for s in part if s.edit.source == source]
                for _, source in units
            ]
            filled = [np.concatenate(unit) for unit in clips if unit]
            if part and len(filled) == len(units) and min(map(len, filled)) >= 2:
                groups[emotion] = (filled, real_sets[emotion])
            counts[emotion] = len({s.edit.source for s in part})
        for emotion in (*EMOTIONS, AVERAGE):
            wanted = list(groups) if emotion == AVERAGE else [emotion]
            if emotion != AVERAGE and not counts[emotion]:
                continue
            row = _row(setting, method, "fad", backbone, emotion, scores)
            if wanted and all(name in groups and groups[name][1] for name in wanted):
                distance = frechet_interval(
                    [groups[name] for name in wanted],
                    np.asarray(units),
                    resamples=min(settings.resamples, settings.frechet_resamples),
                    confidence=settings.confidence,
                    seed=seed,
                )
                row |= {"value": distance.value, "ci_low": distance.low, "ci_high": distance.high}
                row["clips"] = sum(counts[name] for name in wanted)
            rows.append(row)
    return rows


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


def check_main_results(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` if it keeps its promises.

    Raises:
        ShapeError: naming the first broken one.
    """
    key = ["setting", "method", "metric", "backbone", "emotion"]
    measured = table.value.notna()
    inside = table.ci_low.le(table.value + 1e-9) & table.ci_high.ge(table.value - 1e-9)
    promises = {
        f"columns are {', '.join(COLUMNS)}": list(table.columns) == list(COLUMNS),
        "there is a row": len(table) > 0,
        f"settings are of {SETTINGS}": table.setting.isin(SETTINGS).all(),
        f"methods are of {METHODS}": table.method.isin(METHODS).all(),
        "metrics are known": table.metric.isin(list(HIGHER_IS_BETTER)).all(),
        "emotions are known": table.emotion.isin([*EMOTIONS, AVERAGE]).all(),
        "rows are unique": not table.duplicated(key).any(),
        "intervals hold their value": inside[measured].all(),
        "a value rests on clips, a missing one on none": (measured == (table.clips > 0)).all(),
        "there is a seed": (table.seeds > 0).all(),
    }
    for promise, kept in promises.items():
        if not kept:
            raise ShapeError(f"the main results table is broken: not true that {promise}")
    return table
