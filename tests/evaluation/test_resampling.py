from __future__ import annotations

import numpy as np
import pytest

from spfem.statistics import cluster_bootstrap, interval_of, redraw_counts


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
