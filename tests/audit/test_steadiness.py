"""Planted flicker, blur and padding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from studies.audit import flicker, not_held, sharpness


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
