from __future__ import annotations

import numpy as np

from spfem.edit.sample import spread_stretches


def test_frames_without_the_face_are_left_out():
    shown = np.ones(40, bool)
    shown[10:14] = False
    runs = spread_stretches(shown, 300, 50)
    assert [(run[0], run[-1]) for run in runs] == [(0, 9), (14, 39)]


def test_a_long_clip_gives_bounded_stretches_spread_over_it():
    shown = np.ones(20_000, bool)
    shown[5_000:6_000] = False
    runs = spread_stretches(shown, 300, 50)
    assert sum(map(len, runs)) == 300
    assert all(np.array_equal(np.diff(run), np.ones(49)) for run in runs)
    assert all(shown[run].all() for run in runs)
    starts = np.array([run[0] for run in runs])
    assert starts[0] < 3_000
    assert starts[-1] > 17_000
    assert np.diff(starts).min() > 2_000
