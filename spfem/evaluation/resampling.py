"""Redraws of actors and clips, drawn once and shared by all metrics of a method."""

from __future__ import annotations

import numpy as np

from spfem.statistics import Interval, cluster_bootstrap


def redraw_counts(clusters: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """How often each row occurs in each redraw of `cluster_bootstrap`.

    Args:
        clusters: (N, D) labels, outermost level first.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        (R, N) int, R about `resamples`.
    """
    drawn: list[np.ndarray] = []

    def note(rows: np.ndarray) -> float:
        drawn.append(np.bincount(rows, minlength=len(clusters)))
        return 0.0

    cluster_bootstrap(
        np.arange(len(clusters)),
        clusters,
        statistic=note,
        resamples=resamples,
        confidence=0.95,
        seed=seed,
    )
    return np.stack(drawn)


def interval_of(
    value: float, draws: np.ndarray, confidence: float, *, centred: bool = False
) -> Interval:
    """Percentile interval of redrawn statistics; draws that are NaN do not count.

    Args:
        value: the statistic of all rows.
        draws: (R,) redrawn statistics.
        confidence: of the interval.
        centred: move the draws so that their mean falls on `value`, for statistics that redrawing
            itself shifts.

    Example:
        >>> interval_of(2.0, np.array([1.0, 2.0, 3.0]), 0.5)
        Interval(value=2.0, low=1.5, high=2.5)
    """
    shift = value - float(np.nanmean(draws)) if centred else 0.0
    tail = 50.0 * (1 - confidence)
    low, high = np.nanpercentile(draws, [tail, 100 - tail]) + shift
    return Interval(value, float(min(low, value)), float(max(high, value)))
