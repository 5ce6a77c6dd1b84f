"""Intervals crossed over actors, clips and seeds: coverage on planted effects, arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from spfem.errors import ShapeError
from spfem.evaluation.redraws import crossed_redraws, reach_of_power
from spfem.statistics import interval_of, redraw_counts
from tests.evaluation.made_up import crossed_rows, planted_values

RUNS, CONFIDENCE = 300, 0.95
PLANTED = {  # standard deviations of actor, clip, seed, actor with seed, rest
    "actors": (1.0, 0.0, 0.0, 0.0, 0.1),
    "seeds": (0.0, 0.1, 1.0, 0.0, 0.1),
    "all": (0.3, 0.5, 0.5, 0.5, 1.0),
}


def weighted_means(weights, values):
    """Means (W, K) of K runs (N, K) under all weights."""
    return weights @ values / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("every", [1, 4], ids=["balanced", "a quarter of the cells a seed"])
@pytest.mark.parametrize("name", PLANTED)
def test_intervals_hold_the_truth_as_often_as_they_say(name, every):
    labels, seeds = crossed_rows(actors=6, clips=2, emotions=4, seeds=6, every=every)
    random = np.random.default_rng(3)
    values = np.stack(
        [planted_values(random, labels, seeds, PLANTED[name]) for _ in range(RUNS)], axis=1
    )
    redraws = crossed_redraws(labels, seeds, resamples=200, seed=0)
    estimates = redraws.estimates(weighted_means(redraws.weights, values))
    held = [e.interval(CONFIDENCE).low <= 0 <= e.interval(CONFIDENCE).high for e in estimates]
    assert 0.92 <= np.mean(held) <= 0.995
    # The planted fault: clips alone are redrawn, as if no seed could have learned otherwise.
    counts = redraw_counts(labels, resamples=200, seed=0)[:-1]
    draws = weighted_means(counts, values)
    value = values.mean(axis=0)
    old = [interval_of(v, d, CONFIDENCE) for v, d in zip(value, draws.T, strict=True)]
    assert np.mean([o.low <= 0 <= o.high for o in old]) < (0.2 if name == "seeds" else 0.9)


def test_one_factor_is_students_t():
    random = np.random.default_rng(0)
    values = random.normal(1.0, 1.0, 5)
    rows = np.arange(5)
    for labels, seeds in (
        (np.array([[f"A{n}", "c"] for n in rows]), np.zeros(5, int)),
        (np.array([["A", f"c{n}"] for n in rows]), np.zeros(5, int)),  # clips of one actor
        (np.array([["A", "c"]] * 5), rows),
    ):
        redraws = crossed_redraws(labels, seeds, resamples=4000, seed=0)
        (found,) = redraws.estimates(weighted_means(redraws.weights, values[:, None]))
        test = ttest_1samp(values, 0)
        assert (found.value, found.freedom) == (pytest.approx(values.mean()), test.df)
        assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(5))
        wanted, told = test.confidence_interval(0.95), found.interval(0.95)
        width = wanted.high - wanted.low
        assert (told.low, told.high) == pytest.approx(wanted, abs=0.12 * width)
        ends = test.confidence_interval(0.9)
        margin = max(abs(ends.low), abs(ends.high))
        assert found.equivalent_within(0.95) == pytest.approx(margin, rel=0.12)
        above = 1 - test.pvalue / 2 if values.mean() > 0 else test.pvalue / 2
        assert found.share_above_zero() == pytest.approx(above, abs=0.03)


def test_errors_are_those_of_the_crossed_analysis_of_variance():
    """Balanced, the error is that of two crossed random factors by mean squares."""
    actors, seeds = 5, 4
    random = np.random.default_rng(1)
    grid = (
        random.normal(size=(actors, 1))
        + random.normal(size=seeds)
        + random.normal(size=(actors, seeds))
    )
    rows = [(f"A{a}", "c", s, grid[a, s]) for a in range(actors) for s in range(seeds)]
    labels = np.array([row[:2] for row in rows])
    redraws = crossed_redraws(labels, np.array([row[2] for row in rows]), resamples=9, seed=0)
    values = np.array([row[3] for row in rows])[:, None]
    (found,) = redraws.estimates(weighted_means(redraws.weights, values))
    size = grid.size
    rest = grid - grid.mean(0) - grid.mean(1)[:, None] + grid.mean()
    of_actors = seeds * grid.mean(1).var(ddof=1) / size
    of_seeds = actors * grid.mean(0).var(ddof=1) / size
    assert found.variances[:2] == (pytest.approx(of_actors), pytest.approx(of_seeds))
    of_rest = (rest**2).sum() / ((actors - 1) * (seeds - 1)) / size
    wanted = max(of_actors + of_seeds - of_rest, of_actors, of_seeds)
    assert found.variances[2] == pytest.approx(of_rest)
    assert found.error**2 == pytest.approx(wanted)
    assert found.by_seed == pytest.approx(grid.mean(0))


def test_nothing_to_redraw_gives_no_interval():
    labels = np.array([["A", "c"]] * 3)
    redraws = crossed_redraws(labels, np.zeros(3, int), resamples=5, seed=0)
    (found,) = redraws.estimates(weighted_means(redraws.weights, np.ones((3, 1))))
    assert found.value == 1
    assert np.isnan([found.error, found.interval(0.95).low, found.share_above_zero()]).all()
    with pytest.raises(ShapeError, match="at least one"):
        crossed_redraws(labels, np.zeros(2, int), resamples=5, seed=0)


def test_equal_rows_are_redrawn_alike_in_whatever_order():
    labels, seeds = crossed_rows(actors=3, clips=2, emotions=2, seeds=3)
    order = np.random.default_rng(0).permutation(len(seeds))
    first = crossed_redraws(labels, seeds, resamples=6, seed=2)
    other = crossed_redraws(labels[order], seeds[order], resamples=6, seed=2)
    assert np.array_equal(first.weights[:, order], other.weights)
    assert len(first.first(2)) == len(first.weights) - 4


def test_reach_of_power_finds_four_of_five():
    random = np.random.default_rng(0)
    for size in (4, 9):
        effect = reach_of_power(size - 1, 0.95) / np.sqrt(size)
        found = ttest_1samp(random.normal(effect, 1, (4000, size)), 0, axis=1).pvalue < 0.05
        assert found.mean() == pytest.approx(0.8, abs=0.04)
