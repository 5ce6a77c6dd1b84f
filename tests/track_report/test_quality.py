"""Quality of tracks against planted noise, planted gaps and the fit's own truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.face.landmarks import interocular_distance
from spfem.head import load_head_model
from spfem.run.track_report import jitter, longest_run, track_quality
from tests.face.planted import planted_clip, planted_track


@pytest.fixture(scope="module")
def head():
    return load_head_model()


def _track(planted):
    return planted_track(planted, np.zeros((len(planted.tracked.found), 64, 64, 3), np.uint8))


def _still_and_moving(noise: float, frames: int = 400) -> np.ndarray:
    random = np.random.default_rng(1)
    time = np.arange(frames)
    path = np.where(time < frames // 2, 0.0, 40 * np.sin((time - frames // 2) / 9.0))
    curves = np.stack([path, 0 * path], axis=-1)[:, None] + np.zeros((1, 30, 1))
    return curves + random.normal(0, noise, curves.shape)


@pytest.mark.parametrize("noise", [0.05, 0.5, 2.0])
def test_jitter_is_the_planted_noise(noise):
    curves = _still_and_moving(noise)
    # In two coordinates the distance is sqrt(2) times the deviation of each.
    assert jitter(curves, np.ones(len(curves), bool)) == pytest.approx(np.sqrt(2) * noise, rel=0.06)


def test_smooth_motion_is_hardly_jitter():
    assert jitter(_still_and_moving(0.0), np.ones(400, bool)) < 1e-9


def test_jitter_skips_what_was_not_seen():
    curves, found = _still_and_moving(0.1), np.ones(400, bool)
    curves[50], found[50] = 1e6, False
    assert jitter(curves, found) == pytest.approx(np.sqrt(2) * 0.1, rel=0.08)


def test_jitter_needs_frames():
    assert np.isnan(jitter(np.zeros((5, 3, 2)), np.ones(5, bool)))
    assert np.isnan(jitter(np.zeros((40, 3, 2)), np.arange(40) % 2 == 0))


def test_longest_run():
    marked = np.array([1, 0, 1, 1, 1, 0, 0, 1, 1], bool)
    assert longest_run(marked) == 3
    assert longest_run(~marked) == 2
    assert longest_run(np.zeros(4, bool)) == 0


def test_planted_gaps_and_errors(head):
    track = _track(planted_clip(head, frames=40))
    found = np.ones(40, bool)
    found[[4, 5, 6, 20]] = False
    error = np.where(found, 0.02, 0.5) * interocular_distance(track.landmarks)
    quality = track_quality(replace(track, found=found, reprojection_error=error))
    assert quality.found == pytest.approx(0.9)
    assert quality.longest_gap == 3
    assert quality.error_median == pytest.approx(2.0)
    assert quality.error_90 == pytest.approx(2.0)


def test_noise_on_landmarks_is_told_in_percent_of_the_eye_distance(head):
    clean = _track(planted_clip(head, frames=200, noise=0.0))
    eyes = float(interocular_distance(clean.landmarks).mean())
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.01 * eyes, clean.landmarks.shape)
    shaking = replace(clean, landmarks=clean.landmarks + noise)
    measured = track_quality(shaking).landmark_jitter
    assert measured == pytest.approx(np.sqrt(2) * 1.0, rel=0.15)
    assert track_quality(clean).landmark_jitter < 0.1 * measured


def test_pose_noise_is_told_in_degrees(head):
    clean = _track(planted_clip(head, frames=200, noise=0.0))
    shake = np.radians(np.random.default_rng(0).normal(0, 0.5, (200, 3)))
    measured = track_quality(replace(clean, rotation=clean.rotation + shake)).pose_jitter
    assert measured == pytest.approx(0.5 * np.sqrt(3), rel=0.25)
