"""Statistics of every results table: redraws of clusters and their intervals, Holm, ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spfem.errors import ShapeError


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjustment of (N,) p-values: below a level together with error at most that level.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    raised = p[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval."""

    value: float
    low: float
    high: float


def mean_of_rows(values: np.ndarray) -> float:
    """Mean over all entries of an array of any shape."""
    return float(np.mean(values))


def cluster_bootstrap(
    values: np.ndarray,
    clusters: np.ndarray,
    *,
    statistic: Callable[[np.ndarray], float] = mean_of_rows,
    resamples: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Percentile bootstrap that redraws whole clusters, since rows of one cluster are alike.

    With nested clusters (actor, then clip pair) actors are redrawn with replacement, then, within
    each drawn actor, its clip pairs; the rows of a drawn clip pair all stay. Where an outer level
    has a single cluster, only the inner levels vary.

    Args:
        values: (N, ...) one row an observation.
        clusters: (N,) labels, or (N, D) labels from the outermost to the innermost level.
        statistic: of redrawn rows (M, ...).
        resamples: number of draws.
        confidence: of the interval, for example 0.95.
        seed: of the draws.

    Returns:
        The statistic of `values` and its interval.

    Raises:
        ShapeError: if nothing is given, or rows and labels differ in number.

    Example:
        >>> actors = np.array(["a", "a", "b", "b"])
        >>> values = np.array([0.0, 1.0, 2.0, 3.0])
        >>> cluster_bootstrap(values, actors, resamples=200, confidence=0.95, seed=0)
        Interval(value=1.5, low=0.5, high=2.5)
    """
    values = np.asarray(values)
    labels = np.asarray(clusters)
    if len(values) == 0 or len(values) != len(labels) or labels.ndim not in (1, 2):
        raise ShapeError(
            f"values and clusters need the same number of rows, at least one, found "
            f"{values.shape} and {labels.shape}"
        )
    if not 0 < confidence < 1 or resamples < 1:
        raise ShapeError(f"confidence {confidence} or resamples {resamples} is out of range")
    tree = _nest(labels.reshape(len(labels), -1), np.arange(len(labels)))
    random = np.random.default_rng(seed)
    draws = [statistic(values[_redraw(tree, random)]) for _ in range(resamples)]
    tail = 50.0 * (1 - confidence)
    low, high = np.nanpercentile(draws, [tail, 100 - tail])
    return Interval(float(statistic(values)), float(low), float(high))


_Tree = list["_Tree"] | np.ndarray


def _nest(labels: np.ndarray, rows: np.ndarray) -> _Tree:
    if labels.shape[1] == 0:
        return rows
    _, numbers = np.unique(labels[:, 0], return_inverse=True)
    return [
        _nest(labels[numbers == number, 1:], rows[numbers == number])
        for number in range(numbers.max() + 1)
    ]


def _redraw(tree: _Tree, random: np.random.Generator) -> np.ndarray:
    if isinstance(tree, np.ndarray):
        return tree
    drawn = random.integers(len(tree), size=len(tree))
    return np.concatenate([_redraw(tree[number], random) for number in drawn])


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive score exceeds a negative one; ties count half.

    Of scores (N,) and (M,), in [0, 1]; 0.5 when the scores say nothing.

    Raises:
        ShapeError: if either side is empty.

    Example:
        >>> area_under_curve(np.array([2, 3]), np.array([1, 2]))
        0.875
    """
    positive, negative = np.ravel(positive), np.ravel(negative)
    if not len(positive) or not len(negative):
        raise ShapeError("positive and negative scores must not be empty")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).mean() / (2 * len(negative)))


def redraw_counts(clusters: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """How often (R, N) each row occurs in each redraw of `cluster_bootstrap` by labels (N, D).

    The last row is the sample itself, so R is `resamples` and one.
    """
    if len(clusters) == 0:
        raise ShapeError("there are no rows to redraw")
    rows = np.arange(len(clusters))
    tree, random = _nest(clusters.reshape(len(clusters), -1), rows), np.random.default_rng(seed)
    drawn = [*(_redraw(tree, random) for _ in range(resamples)), rows]
    return np.stack([np.bincount(chosen, minlength=len(clusters)) for chosen in drawn])


def interval_of(value: float, draws: np.ndarray, confidence: float) -> Interval:
    """Percentile interval of redrawn statistics; draws that are NaN do not count.

    `value` is the statistic of all rows, `draws` (R,) the redrawn ones.

    Example:
        >>> interval_of(2.0, np.array([1.0, 2.0, 3.0]), 0.5)
        Interval(value=2.0, low=1.5, high=2.5)
    """
    tail = 50.0 * (1 - confidence)
    low, high = np.nanpercentile(draws, [tail, 100 - tail])
    return Interval(value, float(min(low, value)), float(max(high, value)))
