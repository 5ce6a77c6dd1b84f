from __future__ import annotations

import numpy as np

from spfem.face.person import bridge_gaps

SIZE = 64


def _scene(random):
    rows, columns = np.mgrid[:80, :120]
    picture = 120 + 60 * np.sin(columns / 7.0) * np.cos(rows / 9.0) + random.normal(0, 6, (80, 120))
    return np.repeat(np.clip(picture, 0, 255)[..., None], 3, -1).astype(np.uint8)


def test_a_gap_is_bridged_only_where_the_face_is_still_seen():
    random = np.random.default_rng(0)
    frames = [_scene(random) for _ in range(12)]
    frames[5] = np.zeros_like(frames[5])  # a black frame
    frames[8] = random.integers(0, 255, frames[8].shape, dtype=np.uint8)  # something before it
    found = np.ones(12, bool)
    found[[2, 5, 8]] = False
    align = np.tile(np.array([[1.0, 0, -20], [0, 1.0, -10]], np.float32), (12, 1, 1))
    shown = bridge_gaps(found, align, SIZE, iter(frames))
    assert shown[2]
    assert not shown[5]
    assert not shown[8]
    assert shown[found].all()


def test_a_gap_in_which_the_person_was_lost_is_not_bridged_however_alike():
    frames = [_scene(np.random.default_rng(0))] * 8
    found = np.array([1, 1, 0, 1, 1, 0, 0, 1], bool)
    align = np.tile(np.array([[1.0, 0, -20], [0, 1.0, -10]], np.float32), (8, 1, 1))
    shown = bridge_gaps(found, align, SIZE, frames, lost=[2, 5])
    assert shown.tolist() == [True, True, False, True, True, False, True, True]
