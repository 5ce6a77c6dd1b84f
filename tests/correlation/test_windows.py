from __future__ import annotations

import numpy as np
import pytest

from spfem.correlation.frames import ClipPair, FramePairs, FrameWindows, held_steps, window_starts
from spfem.errors import CorpusError
from tests.correlation.test_frame_pairs import numbered

PATH = np.array([[0, 0], [1, 0], [1, 1], [2, 2], [4, 3], [5, 4], [6, 4]])  # frame 3 was lost


def windows(length, path=PATH):
    pair = ClipPair("A/n", "A/h", path)
    return FrameWindows(FramePairs({"A/n": numbered(9), "A/h": numbered(9)}, (pair,)), length)


def test_windows_are_consecutive_and_the_last_one_is_used():
    starts = window_starts(ClipPair("A/n", "A/h", PATH), 3)
    assert starts.tolist() == [0, 1, 4]
    assert window_starts(ClipPair("A/n", "A/h", PATH), 4).tolist() == [0]
    assert window_starts(ClipPair("A/n", "A/h", PATH[:1]), 2).tolist() == []
    straight = np.stack([np.arange(6)] * 2, axis=1)
    assert window_starts(ClipPair("A/n", "A/h", straight), 5).tolist() == [0, 1]


def test_drawn_windows_lie_on_the_path_and_depend_on_the_seed_only():
    drawn = windows(3).draw_windows(60, np.random.default_rng(0))
    assert drawn.neutral.shape == drawn.emotion.shape == (60, 3, 2, 2, 3)
    seen = np.stack([drawn.neutral[..., 0, 0, 0], drawn.emotion[..., 0, 0, 0]], axis=2)
    wanted = np.stack([PATH[start : start + 3] for start in (0, 1, 4)])
    assert np.array_equal(np.unique(seen, axis=0), wanted)
    assert np.array_equal(drawn.held, np.diff(seen.astype(int), axis=1) == 0)
    again = windows(3).draw_windows(60, np.random.default_rng(0))
    assert np.array_equal(again.emotion, drawn.emotion)
    assert not np.array_equal(
        windows(3).draw_windows(60, np.random.default_rng(1)).emotion, drawn.emotion
    )


def test_held_steps_are_told_apart_by_branch():
    assert held_steps(PATH[:3]).tolist() == [[False, True], [True, False]]


def test_no_window_at_all_is_an_error():
    with pytest.raises(CorpusError, match="5 consecutive path steps"):
        windows(5)
