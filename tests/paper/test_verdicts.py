from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp
from studies import paper_check as verdicts
from studies.paper_check import FAILS, HOLDS, UNTESTED


@pytest.mark.parametrize(
    ("expected", "difference", "low", "high", "verdict", "word"),
    [
        (-1.0, -0.2, -0.3, -0.1, HOLDS, "clear of zero"),
        (-1.0, -0.2, -0.5, 0.1, FAILS, "not told from zero"),
        (-1.0, 0.2, -0.1, 0.5, FAILS, "not even"),
        (-1.0, 0.2, 0.1, 0.3, FAILS, "opposite"),
        (0.5, 0.2, 0.1, 0.3, HOLDS, "clear of zero"),
        (0.5, np.nan, np.nan, np.nan, UNTESTED, "measured"),
    ],
)
def test_directions(expected, difference, low, high, verdict, word):
    found, why = verdicts.judge_direction(expected, difference, low, high)
    assert found == verdict
    assert word in why


def test_intervals_over_seeds_are_those_of_a_t_test():
    values = [0.1, 0.4, 0.25]
    low, high = ttest_1samp(values, 0).confidence_interval(0.9)
    assert verdicts.seed_interval(values, 0.9) == pytest.approx((0.25, low, high))
    mean, low, high = verdicts.seed_interval([0.3], 0.9)
    assert mean == 0.3
    assert np.isnan([low, high]).all()


def test_p_values_of_intervals():
    for confidence in (0.9, 0.95):  # an interval that just touches zero
        assert verdicts.approximate_p(1.0, 0.0, 2.0, confidence) == pytest.approx(1 - confidence)
    assert verdicts.approximate_p(0.0, 0.0, 0.0, 0.95) == 1.0
    assert verdicts.approximate_p(0.5, 0.5, 0.5, 0.95) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_bonferroni_and_none(p_values):
    p = np.array(p_values)
    kept = verdicts.holm(p_values, 0.05)
    assert not (kept & (p > 0.05)).any()
    assert (kept | (p > 0.05 / len(p))).all()
