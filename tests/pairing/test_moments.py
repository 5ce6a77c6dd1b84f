from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spfem.pairing.dtw import matched_frames, other_frames, says_something_else

GAP = 3


def test_a_frame_matches_the_middle_of_what_the_path_gives_it():
    path = np.array([[0, 0], [2, 4], [2, 5], [2, 6], [9, 9]])
    assert matched_frames(path, 17)[[0, 2, 3, 16]].tolist() == [0, 5, 5, 9]


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4), st.integers(0, 99))
def test_the_other_moment_says_something_else_where_there_is_one(rows, columns, kinds, seed):
    random = np.random.default_rng(seed)
    matched = np.sort(random.integers(0, columns, rows)).astype(np.int32)
    visemes = tuple(random.integers(0, kinds, n).astype(str).tolist() for n in (rows, columns))
    elsewhere = says_something_else(matched, columns, GAP, visemes)
    others = other_frames(matched, elsewhere, GAP)
    for frame, (same, other) in enumerate(zip(matched, others, strict=True)):
        said = {visemes[0][frame], visemes[1][same]}
        wanted = [u for u in range(columns) if abs(u - same) >= GAP and visemes[1][u] not in said]
        assert np.flatnonzero(elsewhere[frame]).tolist() == wanted
        assert other in (wanted or [0, columns - 1])
