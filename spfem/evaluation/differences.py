"""Each method against plain NED, paired over the same edits and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from spfem.corpus.protocol import SETTINGS
from spfem.errors import ShapeError
from spfem.evaluation.frechet import frechet_backbones, frechet_means
from spfem.evaluation.scores import CLIP_METRICS, ClipScore, FaceSample, backbone_of
from spfem.evaluation.tables import HIGHER_IS_BETTER, clip_means
from spfem.methods import METHODS
from spfem.settings import EvaluationSettings
from spfem.statistics import Mean, average_of, interval_of

COLUMNS = (
    "setting", "method", "metric", "backbone", "baseline", "difference", "relative_difference",
    "ci_low", "ci_high", "seed_low", "seed_high", "seeds", "clips", "clear", "better",
)  # fmt: skip


def method_differences(
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    *,
    baseline: str = "ned",
    seed: int = 0,
) -> pd.DataFrame:
    """Rows with `COLUMNS`: method minus baseline, averaged over emotions.

    A pair is one edit by both methods, learned from the same seed; edits that one of them could
    not be measured on do not count. Intervals redraw actors, then their source clips (all
    emotions and seeds of a source together), alike for both methods, so that what makes a clip
    hard for both cancels. They do not tell how much another seed would change the learning:
    for that, `seed_low` and `seed_high` give the range of the differences of single seeds.

    Args:
        scores: of all methods, edits and seeds; `copy` and `truth` are left out.
        real: samples of real clips of the target actors, for the Fréchet distances.
        settings: resamples and confidence.
        baseline: name of the method that the others are compared with.
        seed: of the resampling.

    Returns:
        One row a setting, method and metric, in the order of `METHODS`. `baseline` is the value
        of the baseline, `relative_difference` the difference as a share of it (NaN where it is
        0), `clips` counts pairs of clips (mean over seeds), `clear` says that the interval
        excludes zero, `better` that the difference has the good sign, clear or not.

    Raises:
        ShapeError: if the baseline has no scores, or a method has none of its edits and seeds.
    """
    rows: list[dict[str, Any]] = []
    for setting in SETTINGS:
        part = [s for s in scores if s.edit.setting == setting]
        ours = {(s.edit, s.seed): s for s in part if s.method == baseline}
        if part and not ours:
            raise ShapeError(f"there are no scores of the baseline {baseline!r}, setting {setting}")
        for method in METHODS:
            theirs = {(s.edit, s.seed): s for s in part if s.method == method}
            if method == baseline or not theirs:
                continue
            shared = [key for key in ours if key in theirs]
            if not shared:
                raise ShapeError(f"{method} and {baseline} share no edit of one seed, {setting}")
            pairs = [(theirs[key], ours[key]) for key in shared]
            for row in _metric_rows(pairs, real, settings, seed):
                rows.append({"setting": setting, "method": method, **row})
    return pd.DataFrame(rows, columns=list(COLUMNS))


Pairs = Sequence[tuple[ClipScore, ClipScore]]  # an edit by the method and by the baseline
Differences = tuple[dict[str, Mean], float]  # by emotion, and the value of the baseline


def _metric_rows(
    pairs: Pairs, real: Sequence[FaceSample], settings: EvaluationSettings, seed: int
) -> list[dict[str, Any]]:
    no_draws = replace(settings, resamples=1, frechet_resamples=1)
    by_seed = [
        _differences([pair for pair in pairs if pair[0].seed == one], real, no_draws, seed)
        for one in sorted({score.seed for score, _ in pairs})
    ]
    rows = []
    for (metric, backbone), (means, value) in _differences(pairs, real, settings, seed).items():
        single = [found[metric, backbone][0] for found in by_seed]
        row = {"metric": metric, "backbone": backbone, "baseline": value, "seeds": len(single)}
        # Redrawing alone raises Fréchet distances, so their draws are centred.
        told = _described(means, single, value, settings, centred=metric == "fad")
        gain = told["difference"] if HIGHER_IS_BETTER[metric] else -told["difference"]
        rows.append(row | told | {"better": bool(gain > 0)})
    return rows


def _differences(
    pairs: Pairs, real: Sequence[FaceSample], settings: EvaluationSettings, seed: int
) -> dict[tuple[str, str], Differences]:
    """By metric and backbone, in the order of `HIGHER_IS_BETTER`."""
    found: dict[tuple[str, str], Differences] = {}
    for backbone in frechet_backbones(real):
        ours, other = (
            frechet_means(side, real, backbone, settings, seed) for side in zip(*pairs, strict=True)
        )
        known = {emotion: mean for emotion, mean in other.items() if emotion in ours}
        means = {}
        for emotion, mean in known.items():
            own = ours[emotion]
            means[emotion] = Mean(own.value - mean.value, own.draws - mean.draws, own.clips)
        found["fad", backbone] = means, average_of(known).value if known else np.nan
    gaps: list[ClipScore] = []
    bases: list[ClipScore] = []
    for mine, theirs in pairs:
        gap = {metric: mine.scores[metric] - theirs.scores[metric] for metric in CLIP_METRICS}
        base = {m: np.nan if np.isnan(gap[m]) else theirs.scores[m] for m in CLIP_METRICS}
        gaps.append(replace(mine, scores=gap))
        bases.append(replace(theirs, scores=base))
    values = {metric: mean for (metric, _), mean in clip_means(bases, settings, seed).items()}
    for (metric, _), means in clip_means(gaps, settings, seed).items():
        backbone = backbone_of([*gaps, *bases], metric)
        value = average_of(values[metric]).value if values[metric] else np.nan
        found[metric, backbone] = means, value
    order = list(HIGHER_IS_BETTER)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0][0])))


def _described(
    means: dict[str, Mean],
    single: Sequence[dict[str, Mean]],
    baseline: float,
    settings: EvaluationSettings,
    *,
    centred: bool,
) -> dict[str, Any]:
    """What the row says of a difference; NaN and not clear where nothing was measured."""
    if not means:
        return {"difference": np.nan, "clips": 0, "clear": False}
    average = average_of(means)
    interval = interval_of(average.value, average.draws, settings.confidence, centred=centred)
    seeds = [average_of(part).value for part in single if part]
    return {
        "difference": average.value,
        "relative_difference": average.value / baseline if baseline else np.nan,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "seed_low": min(seeds, default=np.nan),
        "seed_high": max(seeds, default=np.nan),
        "clips": average.clips,
        "clear": interval.low > 0 or interval.high < 0,
    }
