from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.manipulator.data import gaussian_weights, overlap_add, slide_windows


@pytest.mark.parametrize("size", range(1, 24))
def test_weights_are_those_of_opencv(size):
    cv2 = pytest.importorskip("cv2")
    wanted = torch.from_numpy(cv2.getGaussianKernel(size, -1)[:, 0])
    torch.testing.assert_close(gaussian_weights(size), wanted, atol=1e-15, rtol=0)


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1, 40), size=st.integers(1, 12))
def test_blending_unchanged_windows_gives_the_sequence(frames, size):
    if frames < size:
        return
    sequence = torch.randn(frames, 3, dtype=torch.float64)
    blended = overlap_add(slide_windows(sequence, size))
    torch.testing.assert_close(blended, sequence, atol=1e-14, rtol=0)


def test_blend_against_a_plain_loop():
    windows = torch.randn(13, 6, 2, dtype=torch.float64)
    weights = gaussian_weights(6)
    wanted = torch.zeros(18, 2, dtype=torch.float64)
    for start in range(13):
        for frame in range(6):
            wanted[start + frame] += weights[frame] * windows[start, frame]
    wanted[:5] = windows[0, :5]
    wanted[-5:] = windows[12, 1:]
    torch.testing.assert_close(overlap_add(windows), wanted)


def test_bad_input():
    with pytest.raises(ShapeError, match="9 frames"):
        slide_windows(torch.zeros(9, 4), 10)
    with pytest.raises(ShapeError, match=r"\(T, E\)"):
        slide_windows(torch.zeros(2, 20, 4), 10)
    with pytest.raises(ShapeError, match="at least 1"):
        gaussian_weights(0)
