"""Intervals, redraws and means against loops."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.statistics import (
    area_under_curve,
    average_of,
    cluster_bootstrap,
    emotion_means,
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


def test_means_and_draws_against_loops():
    random = np.random.default_rng(0)
    values, emotions = random.normal(size=9), np.array(["sad", "happy", "angry"] * 3)
    values[3] = np.nan
    counts = random.integers(0, 3, (40, 9))
    means = emotion_means(values, emotions, counts)
    assert list(means) == ["angry", "happy", "sad"]
    assert [mean.clips for mean in means.values()] == [3, 3, 2]
    for emotion, mean in means.items():
        rows = [i for i in range(9) if emotions[i] == emotion and np.isfinite(values[i])]
        assert mean.value == pytest.approx(np.mean([values[i] for i in rows]))
        for draw, count in zip(mean.draws, counts, strict=True):
            drawn = [values[i] for i in rows for _ in range(count[i])]
            assert draw == pytest.approx(np.mean(drawn) if drawn else np.nan, nan_ok=True)


def test_average_counts_emotions_alike():
    values = np.array([1.0, 1, 1, 5])
    emotions = np.array(["sad", "sad", "sad", "happy"])
    average = average_of(emotion_means(values, emotions, np.ones((2, 4), int)))
    assert average.value == 3
    assert average.draws.tolist() == [3, 3]
    assert average.clips == 4


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
