"""Search over shifts: planted offsets, an independent slow search, SyncNet's zeros, short clips."""

import numpy as np
import pytest

from spfem.evaluation.lip_sync import distances_by_shift, score_distances


@pytest.fixture
def sound():
    return np.random.default_rng(0).normal(size=(40, 8))


def moved(sound, shift):
    """Lips whose sound comes `shift` frames later."""
    return np.roll(sound, -shift, axis=0)


@pytest.mark.parametrize("shift", [-7, -1, 0, 3, 12])
def test_planted_offset_is_found_and_costs_nothing(sound, shift):
    score = score_distances(distances_by_shift(moved(sound, shift), sound, 15))
    assert score.offset == shift
    assert score.lse_d == pytest.approx(0, abs=1e-12)
    assert score.lse_c > 2  # the median of unrelated windows
    assert score.search == 15


def slow_search(lips, sound, search, zeros):
    means = []
    for shift in range(-search, search + 1):
        gaps = []
        for window in range(len(lips)):
            partner = window + shift
            if 0 <= partner < len(sound):
                gaps.append(sum((lips[window] - sound[partner]) ** 2) ** 0.5)
            elif zeros:
                gaps.append(sum(lips[window] ** 2) ** 0.5)
        means.append(sum(gaps) / len(gaps))
    return means


@pytest.mark.parametrize("zeros", [False, True])
def test_distances_equal_a_slow_search(sound, zeros):
    lips = np.random.default_rng(1).normal(size=sound.shape)
    found = distances_by_shift(lips, sound, 9, zeros_beyond=zeros)
    np.testing.assert_allclose(found, slow_search(lips, sound, 9, zeros), rtol=1e-12)
    score = score_distances(found)
    assert score.lse_d == min(found)
    assert score.lse_c == sorted(found)[9] - min(found)
