"""Time, lips, steadiness and sound of panels, on planted ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from studies.audit_panels import (
    Curve,
    align_panels,
    best_offset,
    correlation,
    flicker,
    lip_motion,
    lips_against_sound,
    loudness,
    not_held,
    opening_when_closed,
    sample_at,
    sharpness,
)

from spfem.errors import ShapeError
from spfem.head import load_head_model
from tests.face.planted import planted_clip

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


@pytest.fixture(scope="module")
def landmarks():
    return planted_clip(load_head_model(), frames=40, smile=0.0).tracked.landmarks


def _moved(landmarks: np.ndarray) -> np.ndarray:
    """Another turn, size and place in every frame."""
    random = np.random.default_rng(0)
    out = []
    for frame in landmarks[..., :2]:
        angle, size = random.uniform(-0.3, 0.3), random.uniform(0.7, 1.4)
        turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        out.append(frame @ turn.T + random.uniform(-30, 30, 2))
    return np.stack(out)


def test_turn_size_and_place_do_not_matter(landmarks):
    still, moved = lip_motion(landmarks), lip_motion(_moved(landmarks))
    assert correlation(np.linalg.norm(still, axis=-1).ravel(),
                       np.linalg.norm(moved, axis=-1).ravel()) > 0.999  # fmt: skip
    np.testing.assert_allclose(
        np.linalg.norm(moved, axis=-1), np.linalg.norm(still, axis=-1), atol=1e-4
    )


def test_a_mouth_that_never_closes_is_seen_although_it_moves_in_time():
    source = np.abs(np.sin(np.arange(60) / 5.0)) * 0.3
    never_shut = 0.2 + 0.5 * source
    assert correlation(source, never_shut) == pytest.approx(1)
    assert opening_when_closed(source, never_shut) > 0.2
    assert opening_when_closed(source, source) < 0.05
    assert np.isnan(opening_when_closed(source + 0.1, source))


def _faces(flickering: float, frames: int = 60, side: int = 32):
    random = np.random.default_rng(0)
    base = np.full((frames, side, side), 120.0) + np.linspace(0, 20, frames)[:, None, None]
    base += flickering * random.normal(size=base.shape)
    base[:, 20:28, 8:24] += 60 * np.sin(np.arange(frames))[:, None, None]  # a moving mouth
    faces = np.repeat(np.clip(np.round(base), 0, 255)[..., None], 3, -1).astype(np.uint8)
    masks = np.full((frames, side, side), 255, np.uint8)
    return faces, masks, np.ones(frames, bool)


@pytest.mark.parametrize("planted", [2.0, 6.0])
def test_flicker_is_the_planted_noise_whatever_the_mouth_does(planted):
    assert flicker(*_faces(planted)) == pytest.approx(planted * np.sqrt(1.5), rel=0.08)


def test_blur_lowers_sharpness():
    random = np.random.default_rng(0)
    faces = random.integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)
    masks, usable = np.full((20, 32, 32), 255, np.uint8), np.ones(20, bool)
    blurred = np.stack([cv2.GaussianBlur(face, (0, 0), 1.0) for face in faces])
    assert sharpness(blurred, masks, usable) < 0.5 * sharpness(faces, masks, usable)
    assert np.isnan(sharpness(faces, masks, ~usable))


def test_padding_at_both_ends_is_found():
    random = np.random.default_rng(0)
    moving = random.integers(0, 255, (20, 8, 8, 3), dtype=np.uint8)
    frames = np.concatenate([moving[:1]] * 5 + [moving] + [moving[-1:]] * 3)
    kept = not_held(frames)
    assert np.flatnonzero(kept).tolist() == list(range(5, 25))
    assert not not_held(np.zeros((6, 8, 8, 3), np.uint8)).any()
    assert not_held(moving).all()


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
