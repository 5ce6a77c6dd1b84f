"""Planted offsets and clocks are found; interpolation against numpy's own."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.audit.timing import Curve, align_panels, best_offset, correlation, sample_at
from spfem.errors import ShapeError

RATES = (1.0, 25 / 30, 30 / 25)


def _speech(seconds: np.ndarray) -> np.ndarray:
    """Never the same twice, like an opening of lips."""
    waves = [np.sin(2 * np.pi * hertz * seconds + hertz**2) for hertz in (0.7, 1.9, 3.1, 4.3)]
    return np.sum(waves, axis=0)


def _curve(seconds: np.ndarray, fps: float, noise: float = 0.0) -> Curve:
    random = np.random.default_rng(len(seconds))
    values = _speech(seconds) + random.normal(0, noise, len(seconds))
    return Curve(values, np.ones(len(seconds), bool), fps)


def _align(source, **panels):
    return align_panels(source, panels, rates=RATES, largest_offset_seconds=0.5)


@pytest.mark.parametrize("planted", [-7, -2, 0, 3])
def test_planted_offset(planted):
    frames = np.arange(100)
    found = _align(_curve(frames / 25, 25), ours=_curve((frames - planted) / 25, 25, 0.3))["ours"]
    assert found.offset == planted
    assert found.rate == 1
    assert found.correlation > 0.9


@pytest.mark.parametrize("clock", [25 / 30, 30 / 25])
def test_planted_clock(clock):
    """Frame t of the source is frame clock * t + 1.5 of both results."""
    frames = np.arange(110)
    source = _curve(frames / 30, 30)
    result = _curve((frames - 1.5) / clock / 30, 30, 0.2)
    found = _align(source, first=result, second=result)["first"]
    assert found.clock == pytest.approx(clock)
    assert found.offset == pytest.approx(1.5, abs=0.5)


def test_files_of_other_rates_that_keep_true_time():
    seconds = 4.0
    source = _curve(np.arange(0, seconds, 1 / 30), 30)
    result = _curve(np.arange(0, seconds, 1 / 25), 25)
    found = _align(source, ours=result)["ours"]
    assert found.clock == 1
    assert found.rate == pytest.approx(25 / 30)
    assert abs(found.offset) <= 0.5


def test_unusable_frames_do_not_count():
    frames = np.arange(100)
    source = _curve(frames / 25, 25)
    values, usable = _speech((frames + 2) / 25), np.ones(100, bool)
    values[90:], usable[90:] = 50.0, False
    found = _align(source, ours=Curve(values, usable, 25))["ours"]
    assert found.offset == -2
    assert found.correlation == pytest.approx(1.0)


def test_too_little_in_common():
    frames = np.arange(100)
    source = _curve(frames / 25, 25)
    none = Curve(source.values, np.zeros(100, bool), 25)
    with pytest.raises(ShapeError, match="shares 20 frames"):
        _align(source, ours=none)
    assert best_offset(source, none, clock=1.0, largest_offset_seconds=0.5) is None


def test_a_good_panel_is_kept_beside_one_that_shares_too_little():
    frames = np.arange(100)
    source = _curve(frames / 25, 25)
    none = Curve(source.values, np.zeros(100, bool), 25)
    assert list(_align(source, ours=source, theirs=none)) == ["ours"]


def test_sampling_against_numpy():
    random = np.random.default_rng(0)
    values, places = random.normal(size=(20, 3)), random.uniform(0, 19, 40)
    got, inside = sample_at(values, np.ones(20, bool), places)
    expected = np.stack([np.interp(places, np.arange(20), row) for row in values.T], axis=-1)
    np.testing.assert_allclose(got, expected)
    assert inside.all()


def test_sampling_beyond_the_ends_and_beside_missing_frames():
    usable = np.ones(5, bool)
    usable[2] = False
    _, inside = sample_at(np.arange(5.0), usable, np.array([-0.5, 0, 1, 1.5, 3, 4, 4.5]))
    assert inside.tolist() == [False, True, True, False, True, True, False]


def test_correlation_of_something_that_stands_still():
    assert correlation(np.ones(9), np.arange(9.0)) == 0.0
    assert correlation(np.arange(9.0), -np.arange(9.0)) == pytest.approx(-1)
