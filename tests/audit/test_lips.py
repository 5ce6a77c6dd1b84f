"""Lip motion is apart from the head and from a lasting change of the mouth."""

from __future__ import annotations

import numpy as np
import pytest
from studies.audit import correlation, lip_motion, opening_when_closed

from spfem.head import load_head_model
from tests.face.planted import planted_clip


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
