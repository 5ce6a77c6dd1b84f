"""Time warping against recursion, and properties of the path."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.pairing.dtw import accumulated_cost, align_sequences


def slow_cost(a, b):
    @cache
    def best(i, j):
        local = float(np.abs(a[i] - b[j]).sum())
        if i == 0 and j == 0:
            return local
        options = []
        if i and j:
            options.append(best(i - 1, j - 1))
        if i:
            options.append(best(i - 1, j))
        if j:
            options.append(best(i, j - 1))
        return local + min(options)

    return best(len(a) - 1, len(b) - 1)


sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10_000))


@settings(max_examples=60, deadline=None)
@given(sizes)
def test_path_is_monotone_complete_and_as_cheap_as_recursion_says(case):
    rows, columns, seed = case
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 3, (rows, 2)), random.integers(0, 3, (columns, 2))
    result = align_sequences(a, b)
    assert result.cost == slow_cost(a, b)
    assert tuple(result.path[0]) == (0, 0)
    assert tuple(result.path[-1]) == (rows - 1, columns - 1)
    steps = {tuple(step) for step in np.diff(result.path, axis=0)}
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    assert result.cost == sum(np.abs(a[i] - b[j]).sum() for i, j in result.path)
    assert result.normalised_cost == pytest.approx(result.cost / len(result.path))


def test_ties_go_to_the_diagonal_then_the_first_sequence():
    zeros = np.zeros((3, 1))
    np.testing.assert_array_equal(align_sequences(zeros, zeros).path, [[0, 0], [1, 1], [2, 2]])
    # from (2, 1) both straight steps tie at cost 1 while the diagonal costs more
    path = align_sequences(np.array([[0.0], [0.0], [5.0]]), np.array([[0.0], [5.0]])).path
    np.testing.assert_array_equal(path, [[0, 0], [1, 0], [2, 1]])
    local = np.array([[0.0, 1.0], [1.0, 1.0]])
    assert accumulated_cost(local)[1, 1] == 1.0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((0, 2)), np.zeros((3, 2))),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((3, 2)), np.zeros((3, 4))),
        (np.full((3, 2), np.nan), np.zeros((3, 2))),
    ],
)
def test_bad_input(a, b):
    with pytest.raises(ShapeError, match="sequences"):
        align_sequences(a, b)
