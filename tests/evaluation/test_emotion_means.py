"""Means by emotion against loops."""

import numpy as np
import pytest

from spfem.statistics import average_of, emotion_means


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
