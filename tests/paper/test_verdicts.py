from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from spfem.paper import verdicts
from spfem.paper.verdicts import FAILS, HOLDS, UNTESTED


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


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_mirrored_results_give_the_same_verdict(difference, reach, expected):
    ends = difference - reach, difference + reach
    there = verdicts.judge_direction(expected, difference, *ends)
    back = verdicts.judge_direction(-expected, -difference, -ends[1], -ends[0])
    assert there == back


def test_no_change_needs_a_narrow_interval():
    margin = verdicts.NO_CHANGE
    assert verdicts.judge_no_change(0.0, -margin / 2, margin / 2)[0] == HOLDS
    assert verdicts.judge_no_change(0.0, -2 * margin, 2 * margin)[0] == FAILS
    assert verdicts.judge_no_change(np.nan, np.nan, np.nan)[0] == UNTESTED


def test_counts_need_their_average():
    assert verdicts.judge_count(5, 6, HOLDS)[0] == HOLDS
    assert verdicts.judge_count(5, 4, HOLDS)[0] == FAILS
    assert verdicts.judge_count(5, 7, FAILS)[0] == FAILS
    assert verdicts.judge_count(5, np.nan, HOLDS)[0] == UNTESTED


def test_sizes_in_words():
    assert "in our interval" in verdicts.describe_size(-0.1, -0.12, -0.2, -0.05)
    assert "smaller" in verdicts.describe_size(-0.5, -0.12, -0.2, -0.05)
    assert "larger" in verdicts.describe_size(-0.01, -0.12, -0.2, -0.05)
    assert verdicts.describe_size(np.nan, -0.12, -0.2, -0.05) == ""


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


def test_holm_by_hand():
    # 0.01 <= 0.05 / 4, 0.015 <= 0.05 / 3, 0.03 > 0.05 / 2: the rest fails with it.
    assert verdicts.holm([0.03, 0.01, 0.04, 0.015], 0.05).tolist() == [False, True, False, True]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_bonferroni_and_none(p_values):
    p = np.array(p_values)
    kept = verdicts.holm(p_values, 0.05)
    assert not (kept & (p > 0.05)).any()
    assert (kept | (p > 0.05 / len(p))).all()
