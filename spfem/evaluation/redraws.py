"""Redraws crossed over actors, clips and seeds, and what they say of an estimate.

Scores vary with who is edited and what is said (actors, their clips) and with what another seed
would have learned. Every seed edits the clips of every actor, so the factors cross: an interval
that redraws one of them alone leaves the other out and is too narrow.

Two parts make an estimate:

* **Draws**: actors, then clips of each drawn actor, and independently seeds are drawn with
  replacement (the pigeonhole bootstrap of Owen, 2007). They give the shape.
* **Error**: few actors and seeds make draws too narrow, and what belongs to one actor and one seed
  together is drawn three times over. So the draws are brought to the standard error of crossed
  effects, V = V_actors + V_seeds - V_both, the mean squares of two crossed random factors, each
  from leaving one out (jackknife); and their tails to those of Student's t with the degrees of
  freedom of Satterthwaite, never fewer than the rarer factor has.

Designs may be unbalanced: a seed may have edited a part of the clips only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from spfem.errors import ShapeError
from spfem.statistics import Interval, interval_of, redraw_counts

POWER = 0.8
ROUNDING = 1e-12  # share of a value, below which its error is that of the arithmetic
FARTHEST = 8.0  # standard deviations, beyond which a normal tail is nothing


@dataclass(frozen=True)
class Estimate:
    """An estimate, its redraws and its standard error.

    Attributes:
        value: from all rows.
        draws: (R,) redrawn, brought to the error and to the tails of Student's t.
        error: standard error; NaN where neither actors, clips nor seeds are more than one.
        freedom: its degrees of freedom.
        by_seed: (S,) the value of each single seed, NaN where it has no row.
        variances: of the mean, by actors (or clips of one actor), seeds, and both together.
    """

    value: float
    draws: np.ndarray
    error: float
    freedom: float
    by_seed: np.ndarray
    variances: tuple[float, float, float]

    def interval(self, confidence: float) -> Interval:
        """Percentiles of the draws; NaN ends where there is no error."""
        if not np.isfinite(self.error):
            return Interval(self.value, np.nan, np.nan)
        return interval_of(self.value, self.draws, confidence)

    def equivalent_within(self, confidence: float) -> float:
        """Smallest margin within which it is shown to equal zero, by two one-sided tests.

        The larger end, without sign, of the interval of 1 - 2 (1 - `confidence`).
        """
        interval = self.interval(2 * confidence - 1)
        return float(max(abs(interval.low), abs(interval.high)))

    def share_above_zero(self) -> float:
        """Share of draws above zero, those at zero by half; NaN where there is no error."""
        if not np.isfinite(self.error):
            return np.nan
        draws = self.draws[np.isfinite(self.draws)]
        return float((draws > 0).mean() + (draws == 0).mean() / 2)

    def detectable(self, confidence: float) -> float:
        """Smallest true difference from zero that is told from it with a power of `POWER`."""
        return self.error * reach_of_power(self.freedom, confidence)


def reach_of_power(freedom: float, confidence: float) -> float:
    """Standard errors between zero and what a two-sided test finds with a power of `POWER`.

    The sum of two quantiles of Student's t: that of the test, and that of the power.

    Example:
        >>> round(reach_of_power(1e9, 0.95), 2)  # the 1.96 and 0.84 of the normal distribution
        2.8
    """
    return float(t.ppf((1 + confidence) / 2, freedom) + t.ppf(POWER, freedom))


@dataclass(frozen=True)
class Redraws:
    """Weights of rows under which a statistic is taken again.

    Attributes:
        weights: (W, N) of each row: all of them once, each single seed, each actor left out, each
            seed left out, each actor left out of each seed, and the redraws.
        sizes: how many of each kind, in that order.
        remains: (G, G) what takes the effects of actors and of seeds off the values of G actors in
            seeds, one row an actor of a seed.
    """

    weights: np.ndarray
    sizes: tuple[int, ...]
    remains: np.ndarray

    def estimates(self, values: np.ndarray) -> list[Estimate]:
        """Estimates of a statistic from its values (W', K) under the first W' of the weights.

        K statistics at once; fewer rows than there are weights leave out redraws.
        """
        ends = np.cumsum(self.sizes[:-1])
        whole, single, actors, seeds, both, draws = np.split(np.asarray(values, float), ends)
        variances = zip(
            _left_out_variance(actors, np.eye(len(actors)) - 1 / max(len(actors), 1)),
            _left_out_variance(seeds, np.eye(len(seeds)) - 1 / max(len(seeds), 1)),
            _left_out_variance(both, self.remains),
            strict=True,
        )
        counts = len(actors), len(seeds)
        return [
            _estimate(float(whole[0, place]), single[:, place], by, counts, draws[:, place])
            for place, by in enumerate(variances)
        ]

    def first(self, draws: int) -> np.ndarray:
        """The weights with the first `draws` redraws only, for statistics that cost more."""
        return self.weights[: sum(self.sizes[:-1]) + draws]


def crossed_redraws(
    clusters: np.ndarray, seeds: np.ndarray, *, resamples: int, seed: int
) -> Redraws:
    """Weights for rows of clusters crossed with seeds.

    Args:
        clusters: (N, D) labels of each row from the outermost level (actor) to the innermost
            (clip). The outermost level with more than one label is left out and redrawn.
        seeds: (N,) seed of each row.
        resamples: number of redraws.
        seed: of the redraws; equal labels and seeds are redrawn alike, in whatever order.

    Raises:
        ShapeError: if there are no rows, or rows and labels differ in number.
    """
    if not len(clusters) or len(clusters) != len(seeds):
        raise ShapeError(
            f"clusters and seeds need the same number of rows, at least one, found {len(clusters)} "
            f"and {len(seeds)}"
        )
    units, unit = np.unique(clusters, axis=0, return_inverse=True)
    learned, run = np.unique(seeds, return_inverse=True)
    levels = [
        np.unique(clusters[:, place], return_inverse=True)[1] for place in range(units.shape[1])
    ]
    outer = next((level for level in levels if level.max() > 0), levels[-1])
    unit, run = unit.ravel(), run.ravel()
    drawn_units = redraw_counts(units, resamples=resamples, seed=seed)[:-1]
    random = np.random.default_rng((seed, 1))
    drawn_runs = random.multinomial(
        len(learned), np.full(len(learned), 1 / len(learned)), resamples
    )
    many = [labels if labels.max() > 0 else np.zeros(0, int) for labels in (outer, run)]
    both = outer * len(learned) + run if all(map(len, many)) else np.zeros(0, int)
    crossed = np.unique(both)
    effects = np.concatenate(
        [crossed // len(learned) == np.arange(outer.max() + 1)[:, None],
         crossed % len(learned) == np.arange(len(learned))[:, None]]
    ).T.astype(float)  # fmt: skip
    remains = np.eye(len(crossed)) - effects @ np.linalg.pinv(effects)
    kinds = [
        np.ones((1, len(seeds))),
        run == np.arange(len(learned))[:, None],
        *(labels != np.unique(labels)[:, None] if len(labels) else np.zeros((0, len(seeds)))
          for labels in (*many, both)),
        drawn_units[:, unit] * drawn_runs[:, run],
    ]  # fmt: skip
    return Redraws(np.concatenate(kinds).astype(float), tuple(map(len, kinds)), remains)


def _estimate(
    value: float,
    single: np.ndarray,
    variances: tuple[float, float, float],
    counts: tuple[int, int],
    draws: np.ndarray,
) -> Estimate:
    factors = [
        (variance, count - 1) for variance, count in zip(variances, counts, strict=False) if count
    ]
    shared = variances[2] if len(factors) == 2 else 0.0
    if not factors or not np.isfinite([value, shared, *(part for part, _ in factors)]).all():
        return Estimate(value, np.full(len(draws), value), np.nan, np.nan, single, variances)
    parts = [variance for variance, _ in factors]
    variance = max(sum(parts) - shared, *parts)
    freedom = degrees_of_freedom(variance, factors, shared)
    error = float(np.sqrt(variance))
    if error < ROUNDING * abs(value):
        error = 0.0
    told = _with_tails(draws, error, freedom)
    return Estimate(value, value + told, error, freedom, single, variances)


def degrees_of_freedom(
    variance: float, factors: Sequence[tuple[float, int]], shared: float
) -> float:
    """Satterthwaite's, of a sum of one or two variances less what they share.

    `factors` are variances with their degrees of freedom; the fewest of these are the least.
    """
    least = float(min(number for _, number in factors))
    spread = sum(part**2 / number for part, number in factors)
    if len(factors) == 2:
        spread += shared**2 / (factors[0][1] * factors[1][1])
    return max(variance**2 / spread, least) if spread > 0 else least


def _left_out_variance(values: np.ndarray, remains: np.ndarray) -> np.ndarray:
    """Variances (K,) of statistics from their values (G, K) with each of G groups left out.

    `remains` (G, G) takes off what is not meant; its trace is what is left to vary. NaN for no
    groups, and 0 where nothing is left to vary.
    """
    if not len(values):
        return np.full(values.shape[1], np.nan)
    count, left = len(values), float(np.trace(remains))
    squares = ((remains @ values) ** 2).sum(axis=0)
    return squares * (count - 1) ** 2 / (count * max(left, 1.0))


def _with_tails(draws: np.ndarray, error: float, freedom: float) -> np.ndarray:
    """Draws about their mean, with that error and tails of Student's t."""
    spread = np.nanstd(draws) if np.isfinite(draws).any() else 0.0
    if error == 0 or spread == 0:
        return np.zeros(len(draws))
    normal = np.clip((draws - np.nanmean(draws)) / spread, -FARTHEST, FARTHEST)
    # Upper tails, since a probability near 1 has no digits left.
    return error * np.sign(normal) * t.isf(norm.sf(np.abs(normal)), freedom)
