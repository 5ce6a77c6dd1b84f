"""Planted lag between lips and sound."""

from __future__ import annotations

import numpy as np
import pytest
from studies.audit import Curve, lips_against_sound, loudness

FPS, RATE = 25.0, 16000


def _words(seconds: np.ndarray) -> np.ndarray:
    return 0.5 + 0.25 * np.sin(2 * np.pi * 1.3 * seconds) + 0.2 * np.sin(2 * np.pi * 2.9 * seconds)


@pytest.mark.parametrize("lag", [-4, 0, 3])
def test_planted_lag(lag):
    time = np.arange(round(4 * RATE)) / RATE
    audio = _words(time) * np.sin(2 * np.pi * 300 * time)
    frames = np.arange(100)
    lips = Curve(_words((frames - lag) / FPS), np.ones(100, bool), FPS)
    in_time, best, seconds = lips_against_sound(lips, loudness(audio, RATE, FPS, 100), 0.4)
    assert seconds == pytest.approx(lag / FPS, abs=1.01 / FPS)
    assert best > 0.9
    assert in_time <= best
    if abs(lag) > 2:
        assert in_time < 0.8


def test_loudness_in_decibels():
    audio = np.concatenate([np.full(6400, 0.1), np.full(6400, 0.01), np.zeros(6400)])
    level = loudness(audio, RATE, FPS, 35)
    assert level[4] == pytest.approx(-20)
    assert level[14] == pytest.approx(-40)
    assert level[25] == pytest.approx(-80)  # silence is finite
    assert np.isfinite(level).all()  # so are frames beyond the end of the sound
