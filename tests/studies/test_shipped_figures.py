"""Slope, correlation and error of what is read are those of planted mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from studies.shipped_figures import READING, score_reading

from spfem.head.names import FACE_UNIT_NAMES

SMILE, JAW = (FACE_UNIT_NAMES.index(name) for name in ("mouthSmileLeft", "jawOpen"))


@pytest.fixture
def truth():
    random = np.random.default_rng(0)
    clips = {}
    for key in ("A/neutral/1", "A/happy/1", "B/happy/1"):
        clips[key] = np.zeros((30, len(FACE_UNIT_NAMES)), np.float32)
        clips[key][:, [SMILE, JAW]] = random.uniform(0, 0.6, (30, 2))
    return clips


def test_the_truth_itself_is_right(truth):
    scores = score_reading(truth, truth)
    assert scores["unit_error"] == 0
    for quantity in ("slope", "correlation", "slope mouthSmile"):
        assert scores[quantity] == pytest.approx(1)
    assert {name.split()[0] for name in scores} == set(READING)
    assert "slope eyeWide" not in scores  # it never moved


def test_a_shrunken_and_shifted_unit_is_told_by_its_slope(truth):
    shown = {key: codes.copy() for key, codes in truth.items()}
    for codes in shown.values():
        codes[:, SMILE] = 0.1 + 0.4 * codes[:, SMILE]
    scores = score_reading(shown, truth)
    assert scores["slope mouthSmile"] == pytest.approx(0.4, abs=1e-5)
    assert scores["slope"] == pytest.approx(0.7, abs=1e-5)  # of two units, one whole
    assert scores["correlation"] == pytest.approx(1, abs=1e-5)
    gaps = [np.abs(0.1 - 0.6 * codes[:, SMILE]).mean() for codes in truth.values()]
    assert scores["unit_error"] == pytest.approx(np.mean(gaps) / len(FACE_UNIT_NAMES), rel=1e-5)


def test_what_another_actor_shows_anew_is_no_slope(truth):
    """A constant of one actor is taken out; noise lowers the correlation and not the slope."""
    random = np.random.default_rng(1)
    shown = {key: codes + (key[0] == "B") * 0.3 for key, codes in truth.items()}
    assert score_reading(shown, truth)["slope"] == pytest.approx(1, abs=1e-5)
    many = {key: np.tile(codes, (400, 1)) for key, codes in truth.items()}
    noisy = {key: codes + random.normal(0, 0.2, codes.shape) for key, codes in many.items()}
    scores = score_reading(noisy, many)
    assert scores["slope"] == pytest.approx(1, abs=0.02)
    assert scores["correlation"] == pytest.approx(0.17 / np.hypot(0.17, 0.2), abs=0.03)
