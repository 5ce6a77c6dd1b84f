"""The rows of `similarity.csv`: four quantities with intervals, before and after learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spfem.correlation.similarity import SimilarityScores
from spfem.errors import ShapeError
from spfem.statistics import area_under_curve, cluster_bootstrap, mean_of_rows

QUANTITIES: tuple[str, ...] = ("matched", "mismatched_place", "mismatched_speech", "speech_auc")


def similarity_rows(
    scores: Sequence[SimilarityScores],
    *,
    metric: str,
    state: str,
    split: str,
    resamples: int,
    confidence: float,
    seed: int = 0,
    level: int | None = None,
) -> list[dict[str, Any]]:
    """One row a quantity: mean over seeds, levels and comparisons.

    `speech_auc` is the chance that the score of a matched comparison exceeds that of a
    mismatched-speech one, over all comparisons, mean over seeds. Intervals: bootstrap clustered by
    actor and clip pair.

    Args:
        scores: of the same comparisons, one entry a seed of learning.
        metric: name for the table, as `state` and `split`.
        state: `before` or `after`.
        split: `train` or `held_out`.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the bootstrap.
        level: one level only; default the mean over levels.

    Returns:
        Rows with `metric, state, split, quantity, value, ci_low, ci_high, seeds`.

    Raises:
        ShapeError: if the seeds were scored on different comparisons.
    """
    clusters = scores[0].clusters
    if any(not np.array_equal(other.clusters, clusters) for other in scores):
        raise ShapeError("all seeds must be scored on the same comparisons")
    columns = quantity_columns(scores, level=level)
    rows = []
    for quantity in QUANTITIES:
        interval = cluster_bootstrap(
            columns[quantity],
            clusters,
            statistic=statistic_of(quantity),
            resamples=resamples,
            confidence=confidence,
            seed=seed,
        )
        rows.append(
            {
                "metric": metric,
                "state": state,
                "split": split,
                "quantity": quantity,
                "value": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "seeds": len(scores),
            }
        )
    return rows


def quantity_columns(
    scores: Sequence[SimilarityScores], *, level: int | None = None
) -> dict[str, np.ndarray]:
    """What each quantity is computed from: scores (N, seeds), for `speech_auc` (N, seeds, 2).

    Args:
        scores: of the same comparisons, one entry a seed.
        level: one level only; default the mean over levels.
    """
    taken = slice(None) if level is None else slice(level, level + 1)
    columns = {
        name: np.stack([getattr(each, name)[:, taken].mean(axis=1) for each in scores], axis=1)
        for name in QUANTITIES[:3]
    }
    columns["speech_auc"] = np.stack([columns["matched"], columns["mismatched_speech"]], axis=2)
    return columns


def statistic_of(quantity: str) -> Callable[[np.ndarray], float]:
    """How the column of a quantity becomes its value."""
    return _mean_auc if quantity == "speech_auc" else mean_of_rows


def _mean_auc(values: np.ndarray) -> float:
    """Mean over seeds of the AUC of scores (N, seeds, 2)."""
    return float(
        np.mean(
            [area_under_curve(values[:, n, 0], values[:, n, 1]) for n in range(values.shape[1])]
        )
    )
