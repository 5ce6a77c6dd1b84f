from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.renderer.blend import blend_face


def disc(height, width, row, column, radius):
    rows, columns = np.mgrid[0:height, 0:width]
    return (255 * ((rows - row) ** 2 + (columns - column) ** 2 < radius**2)).astype(np.uint8)


def noise(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@limits(max_examples=25, deadline=None)
@given(
    st.integers(40, 150), st.integers(40, 150), st.integers(-10, 160), st.integers(-10, 160),
    st.integers(1, 90), st.integers(0, 9),
)  # fmt: skip
def test_background_stays_bit_for_bit(height, width, row, column, radius, seed):
    frame, face = noise(height, width, seed), noise(height, width, seed + 100)
    mask = disc(height, width, row, column, radius)
    before = frame.copy()
    result = blend_face(frame, face, mask)
    assert np.array_equal(frame, before)
    assert np.array_equal(result[mask == 0], frame[mask == 0])


def test_the_face_is_seen_inside_and_there_is_no_seam():
    frame = np.full((200, 200, 3), 100, np.uint8)
    face = np.full((200, 200, 3), 160, np.uint8)
    mask = disc(200, 200, 100, 100, 70)
    result = blend_face(frame, face, mask).astype(int)
    assert abs(result[100, 100, 0] - 160) <= 6
    assert np.abs(np.diff(result[100, :, 0])).max() <= 12


def test_refuses_what_does_not_fit():
    frame, mask = noise(20, 20, 0), disc(20, 20, 10, 10, 5)
    for bad in (
        (frame, frame[:10], mask),
        (frame, frame, mask[:10]),
        (frame.astype(np.float32), frame, mask),
    ):
        with pytest.raises(ShapeError, match="frame"):
            blend_face(*bad)
