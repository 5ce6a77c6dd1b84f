"""The main results table: methods by metrics by emotions, with intervals clustered by actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from spfem.corpus.protocol import SETTINGS
from spfem.evaluation.emotion_means import Mean, average_of, emotion_means
from spfem.evaluation.frechet_of_edits import frechet_backbones, frechet_means
from spfem.evaluation.resampling import interval_of, redraw_counts
from spfem.evaluation.results_schema import AVERAGE, COLUMNS, check_main_results
from spfem.evaluation.scores import (
    CLIP_METRICS,
    METHODS,
    ClipScore,
    FaceSample,
    backbone_of,
)
from spfem.settings import EMOTIONS, EvaluationSettings


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
    for metric in CLIP_METRICS:
        backbone = backbone_of(scores, metric)
        means = emotion_means(clips[metric].to_numpy(float), clips.emotion.to_numpy(str), counts)
        rows += _rows(_row(setting, method, metric, backbone, scores), means, scores, settings)
    return rows


def _frechet_rows(
    setting: str,
    method: str,
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    seed: int,
) -> list[dict[str, Any]]:
    rows = []
    for backbone in frechet_backbones(real):
        means = frechet_means(scores, real, backbone, settings, seed)
        rows += _rows(_row(setting, method, "fad", backbone, scores), means, scores, settings)
    return rows


def _rows(
    row: dict[str, Any],
    means: dict[str, Mean],
    scores: Sequence[ClipScore],
    settings: EvaluationSettings,
) -> list[dict[str, Any]]:
    """A row an emotion that was wanted, measured or not, and the row of the average."""
    wanted = {score.edit.emotion for score in scores}
    shown = {emotion: means.get(emotion) for emotion in EMOTIONS if emotion in wanted}
    shown[AVERAGE] = average_of(means) if means else None
    frechet = row["metric"] == "fad"
    return [
        {**row, "emotion": emotion, **(_measured(mean, settings, frechet=frechet) if mean else {})}
        for emotion, mean in shown.items()
    ]


def _measured(mean: Mean, settings: EvaluationSettings, *, frechet: bool) -> dict[str, Any]:
    interval = interval_of(mean.value, mean.draws, settings.confidence, centred=frechet)
    low = max(interval.low, 0.0) if frechet else interval.low
    return {"value": mean.value, "ci_low": low, "ci_high": interval.high, "clips": mean.clips}


def _row(
    setting: str, method: str, metric: str, backbone: str, scores: Sequence[ClipScore]
) -> dict[str, Any]:
    """A row of a cell that could not be measured."""
    nothing = float("nan")
    return {
        "setting": setting,
        "method": method,
        "metric": metric,
        "backbone": backbone,
        "emotion": "",
        "value": nothing,
        "ci_low": nothing,
        "ci_high": nothing,
        "seeds": len({score.seed for score in scores}),
        "clips": 0,
    }
