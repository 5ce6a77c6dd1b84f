"""Intervals, redraws and means against loops."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.statistics import (
    area_under_curve,
    cluster_bootstrap,
    interval_of,
    redraw_counts,
)


def test_interval_of_independent_rows_matches_the_normal_one():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = cluster_bootstrap(values, np.arange(400), resamples=1000, confidence=0.95, seed=0)
    half = 1.96 * values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.2 * half)


def test_nested_clusters_redraw_both_levels():
    random = np.random.default_rng(2)
    actors = np.repeat(np.arange(12), 20)
    pairs = np.repeat(np.arange(60), 4)
    values = random.normal(size=12)[actors] + random.normal(size=60)[pairs]
    settings = {"resamples": 400, "confidence": 0.95, "seed": 0}
    nested = cluster_bootstrap(values, np.stack([actors, pairs], axis=1), **settings)
    inner = cluster_bootstrap(values, pairs, **settings)
    assert nested.high - nested.low > 1.3 * (inner.high - inner.low)
    one_actor = cluster_bootstrap(
        values, np.stack([np.zeros_like(actors), pairs], axis=1), **settings
    )
    assert one_actor.low == pytest.approx(inner.low, abs=0.05)


@pytest.mark.parametrize(
    ("values", "clusters", "confidence"),
    [([], [], 0.9), ([1.0], [0, 1], 0.9), ([1.0], [0], 1.0)],
)
def test_bad_input(values, clusters, confidence):
    with pytest.raises(ShapeError):
        cluster_bootstrap(
            np.array(values), np.array(clusters), resamples=5, confidence=confidence, seed=0
        )


def test_area_under_curve_counts_pairs():
    random = np.random.default_rng(0)
    positive, negative = random.integers(0, 5, 30), random.integers(0, 4, 17)
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert area_under_curve(positive, negative) == pytest.approx(np.mean(pairs))
    assert area_under_curve(np.array([2, 3]), np.array([0, 1])) == 1
    with pytest.raises(ShapeError):
        area_under_curve(positive, np.array([]))


def test_counts_give_the_interval_of_the_bootstrap():
    random = np.random.default_rng(0)
    values = random.normal(size=24)
    clusters = np.array([(f"A{n // 8}", f"c{n // 2}") for n in range(24)])
    counts = redraw_counts(clusters, resamples=200, seed=3)
    draws = counts @ values / counts.sum(axis=1)
    ours = interval_of(float(values.mean()), draws, 0.9)
    theirs = cluster_bootstrap(values, clusters, resamples=200, confidence=0.9, seed=3)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert (counts[:, ::2] == counts[:, 1::2]).all()  # rows of a clip stay together
