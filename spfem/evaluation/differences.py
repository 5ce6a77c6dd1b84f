"""Two methods in pairs, over the same edits and seeds: differences, and what could be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from spfem.corpus.protocol import SETTINGS
from spfem.errors import ShapeError
from spfem.evaluation.estimates import AVERAGE, Cell, Cells, Estimates, Pairs
from spfem.evaluation.scores import ClipScore, FaceSample
from spfem.evaluation.tables import CALIBRATION, HIGHER_IS_BETTER, of_base
from spfem.methods import BASES, METHODS, NED, PUBLISHED
from spfem.settings import EMOTIONS, EvaluationSettings

COMPARISONS: Sequence[tuple[str, str]] = (
    *((name, NED) for name, method in METHODS.items() if method.supervised),
    (NED, PUBLISHED),
    (NED, "habit"),
    ("ned+stccl_vd", "ned+stccl_cm"),
    ("ned+asccl_released", "ned+asccl"),
    ("ned+asccl_released", "ned+untrained"),
    ("ned+asccl_released", "ned+identity"),
)
"""Which method is compared with which; those without scores of both are left out."""
AT_LEAST = tuple(f"at_least_{count}" for count in range(1, len(EMOTIONS) + 1))
COLUMNS = (
    "base", "setting", "method", "against", "metric", "backbone", "baseline", "difference",
    "relative_difference", "ci_low", "ci_high", "seed_low", "seed_high", "seeds", "clips", "clear",
    "better", "error", "freedom", "detectable_80", "equivalent_within", "probability_better",
    *AT_LEAST,
)  # fmt: skip


def method_differences(
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    *,
    comparisons: Sequence[tuple[str, str]] = COMPARISONS,
    seed: int = 0,
    estimates: Estimates | None = None,
) -> pd.DataFrame:
    """Rows with `COLUMNS`: method minus what it is compared with, averaged over emotions.

    A pair is one edit by both methods on one base, learned from the same seed; edits that one of
    them could not be measured on do not count. What makes a clip hard for both cancels. What was
    not learned (`CALIBRATION`) stands beside every seed. Intervals are crossed over actors, clips
    and seeds (`spfem.evaluation.redraws`).

    Args:
        scores: of all bases, methods, edits and seeds; a seed may lack edits, for all methods
            alike.
        real: samples of real clips of the target actors, for the Fréchet distances.
        settings: resamples and confidence.
        comparisons: method and what it is compared with.
        seed: of the resampling.
        estimates: of `real` and `settings`, where other tables are made of the same scores.

    Returns:
        One row a base, setting, comparison and metric. `baseline` is the value of what is compared
        with, `relative_difference` the difference as a share of it (NaN where it is 0), `clips`
        counts edited clips once for all seeds, `clear` says that the interval excludes zero,
        `better` that the difference has the good sign, clear or not. `error` and `freedom` are
        the standard error and the degrees of freedom. As shares of the baseline:
        `detectable_80`, the smallest true difference that would be told from zero with 80 % power
        at this design (by quantiles of Student's t), and `equivalent_within`, the smallest margin
        within which equality is shown (two one-sided tests). `probability_better` is the share of
        draws on the better side, `at_least_N` that with at least N emotions on the better side.

    Raises:
        ShapeError: if the two of a comparison share no edit of one seed.
    """
    estimates = estimates or Estimates(real, settings, seed=seed)
    rows: list[dict[str, Any]] = []
    for base, setting in product(BASES, SETTINGS):
        part = [s for s in of_base(scores, base) if s.edit.setting == setting]
        for method, against in comparisons:
            pairs = pair_scores(part, method, against)
            if not pairs:
                continue
            found = estimates.of_differences(pairs)
            order = list(HIGHER_IS_BETTER)
            for metric, backbone in sorted(found, key=lambda measure: order.index(measure[0])):
                named = (base, setting, method, against, metric, backbone)
                cells = found[metric, backbone]
                told = _described(cells, settings, higher=HIGHER_IS_BETTER[metric])
                rows.append(dict(zip(COLUMNS, named, strict=False)) | told)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def pair_scores(scores: Sequence[ClipScore], method: str, against: str) -> Pairs:
    """The same edits by two methods, of one base and setting; empty where one has no scores.

    Raises:
        ShapeError: if both have scores, but share no edit of one seed.
    """
    ours = [score for score in scores if score.method == method]
    theirs = {_key(score): score for score in scores if score.method == against}
    once = against in CALIBRATION
    pairs = [(s, theirs[key]) for s in ours if (key := _key(s, once=once)) in theirs]
    if ours and theirs and not pairs:
        setting = ours[0].edit.setting
        raise ShapeError(f"{method} and {against} share no edit of one seed, {setting}")
    return pairs


def _key(score: ClipScore, *, once: bool = False) -> tuple[object, int]:
    return score.edit, 0 if once or score.method in CALIBRATION else score.seed


def _described(cells: Cells, settings: EvaluationSettings, *, higher: bool) -> dict[str, Any]:
    """What the row says of a difference; NaN and not clear where nothing was measured."""
    if not cells:
        return {"difference": np.nan, "clips": 0, "seeds": 0, "clear": False, "better": False}
    estimate, clips, baseline = cells[AVERAGE]
    interval = estimate.interval(settings.confidence)
    seeds = estimate.by_seed[np.isfinite(estimate.by_seed)]
    share = np.nan if baseline == 0 else 1 / abs(baseline)
    sign = 1 if higher else -1
    above = estimate.share_above_zero()
    return {
        "baseline": baseline,
        "difference": estimate.value,
        "relative_difference": estimate.value * share,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "seed_low": seeds.min(),
        "seed_high": seeds.max(),
        "seeds": len(seeds),
        "clips": clips,
        "clear": bool(interval.low > 0 or interval.high < 0),
        "better": bool(sign * estimate.value > 0),
        "error": estimate.error,
        "freedom": estimate.freedom,
        "detectable_80": estimate.detectable(settings.confidence) * share,
        "equivalent_within": estimate.equivalent_within(settings.confidence) * share,
        "probability_better": above if higher else 1 - above,
        **_at_least(cells, sign),
    }


def _at_least(cells: Mapping[str, Cell], sign: int) -> dict[str, float]:
    """Share of draws in which at least so many emotions are on the better side.

    NaN unless every emotion was measured, since counts of fewer cannot be compared with counts of
    all.
    """
    parts = [cells[emotion].estimate for emotion in EMOTIONS if emotion in cells]
    if len(parts) < len(EMOTIONS) or not np.isfinite([part.error for part in parts]).all():
        return dict.fromkeys(AT_LEAST, np.nan)
    draws = np.stack([part.draws for part in parts])
    won = (sign * draws > 0).sum(axis=0)[np.isfinite(draws).all(axis=0)]
    return {name: float((won >= count).mean()) for count, name in enumerate(AT_LEAST, start=1)}
