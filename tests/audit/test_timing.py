"""Planted offsets and clocks are found; interpolation against numpy's own."""

from __future__ import annotations

import numpy as np
import pytest
from studies.audit import Curve, align_panels, best_offset, sample_at

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


def test_too_little_in_common():
    frames = np.arange(100)
    source = _curve(frames / 25, 25)
    none = Curve(source.values, np.zeros(100, bool), 25)
    with pytest.raises(ShapeError, match="shares 20 frames"):
        _align(source, ours=none)
    assert best_offset(source, none, clock=1.0, largest_offset_seconds=0.5) is None


def test_sampling_against_numpy():
    random = np.random.default_rng(0)
    values, places = random.normal(size=(20, 3)), random.uniform(0, 19, 40)
    got, inside = sample_at(values, np.ones(20, bool), places)
    expected = np.stack([np.interp(places, np.arange(20), row) for row in values.T], axis=-1)
    np.testing.assert_allclose(got, expected)
    assert inside.all()
