"""Cepstra and time warping against slow implementations, and properties of the path."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.pairing.dtw import (
    accumulated_cost,
    align_sequences,
    mfcc,
)


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


def slow_mfcc(audio, sample_rate, hop, cepstra=13):
    """Frame by frame, filter by filter, with a plain discrete Fourier and cosine transform."""
    signal = [audio[0]] + [audio[i] - 0.97 * audio[i - 1] for i in range(1, len(audio))]
    window = round(0.025 * sample_rate)
    size = 1
    while size < window:
        size *= 2
    count = 1 if len(signal) <= window else 1 + math.ceil((len(signal) - window) / hop)
    signal += [0.0] * (count * hop + window)
    mel = np.linspace(0, 2595 * math.log10(1 + sample_rate / 2 / 700), 28)
    edges = [math.floor((size + 1) * 700 * (10 ** (m / 2595) - 1) / sample_rate) for m in mel]
    rows = []
    for start in range(0, count * hop, hop):
        power = np.abs(np.fft.rfft(signal[start : start + window], size)) ** 2 / size
        logs = []
        for left, centre, right in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
            energy = sum((k - left) / (centre - left) * power[k] for k in range(left, centre))
            energy += sum((right - k) / (right - centre) * power[k] for k in range(centre, right))
            logs.append(math.log(max(energy, 2.220446049250313e-16)))
        row = []
        for k in range(cepstra):
            value = sum(x * math.cos(math.pi * k * (2 * n + 1) / 52) for n, x in enumerate(logs))
            value *= math.sqrt(1 / 26) if k == 0 else math.sqrt(2 / 26)
            row.append(value * (1 + 11 * math.sin(math.pi * k / 22)))
        row[0] = math.log(max(power.sum(), 2.220446049250313e-16))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(("rate", "fps"), [(16000, 30), (16000, 25), (8000, 25)])
def test_matches_the_definition(rate, fps):
    audio = np.random.default_rng(1).normal(0, 0.1, 3000)
    np.testing.assert_allclose(
        mfcc(audio, rate, fps), slow_mfcc(audio, rate, round(rate / fps)), atol=1e-8
    )


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((2, 9)), np.zeros(9, np.int16)])
def test_bad_sound(bad):
    with pytest.raises(ShapeError, match="audio"):
        mfcc(bad)


def test_rows_follow_the_frame_rate():
    assert mfcc(np.full(48000, 0.1), 16000, 30).shape == (91, 13)
    assert mfcc(np.full(10, 0.1), 16000, 25).shape == (1, 13)
    assert mfcc(np.full(4000, 0.1), cepstra=5).shape[1] == 5
