from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from spfem.correlation.frames import ClipPair, FramePairs, collect_frame_pairs
from spfem.errors import ShapeError


def numbered(frames):
    """Frames whose pixels hold the frame number."""
    return np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def track(frames, lost=()):
    found = np.ones(frames, bool)
    found[list(lost)] = False
    return SimpleNamespace(faces=numbered(frames), found=found)


def aligned(source, target, path, usable=True):
    return SimpleNamespace(source=source, target=target, path=np.array(path), usable=usable)


def test_drawn_frames_lie_on_the_path_and_depend_on_the_seed_only():
    path = np.array([[0, 0], [1, 0], [1, 1], [2, 4]])
    pairs = FramePairs({"A/n": numbered(3), "A/h": numbered(5)}, (ClipPair("A/n", "A/h", path),))
    neutral, emotion = pairs.draw(200, np.random.default_rng(0))
    assert neutral.shape == (200, 2, 2, 3)
    drawn = np.unique(np.stack([neutral[:, 0, 0, 0], emotion[:, 0, 0, 0]], axis=1), axis=0)
    assert np.array_equal(drawn, path)
    again = pairs.draw(200, np.random.default_rng(0))
    assert np.array_equal(again[0], neutral)


def test_collecting_keeps_the_actors_the_usable_and_the_found():
    tracks = {"A/n": track(3, lost=[1]), "A/h": track(3), "A/x": track(3), "B/n": track(3)}
    pairs = [
        aligned("A/n", "A/h", [[0, 0], [1, 1], [2, 2]]),
        aligned("A/n", "A/x", [[0, 0]], usable=False),
        aligned("B/n", "B/missing", [[0, 0]]),
    ]
    collected = collect_frame_pairs(tracks, pairs, {"A"})
    assert set(collected.faces) == {"A/n", "A/h"}
    assert collected.pairs[0].path.tolist() == [[0, 0], [2, 2]]
    assert collected.pairs[0].actor == "A"


@pytest.mark.parametrize("path", [[[0, 5]], [[-1, 0]], [0, 1]])
def test_a_path_that_leaves_the_clips_is_refused(path):
    with pytest.raises(ShapeError):
        FramePairs(
            {"A/n": numbered(3), "A/h": numbered(5)}, (ClipPair("A/n", "A/h", np.array(path)),)
        )
