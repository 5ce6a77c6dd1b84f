from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.renderer.data import crop_around


@given(st.integers(-50, 80), st.integers(-50, 80), st.sampled_from([2, 8, 20]))
def test_crop_equals_a_clamped_slice(x, y, size):
    image = torch.arange(2 * 20 * 30.0).reshape(1, 2, 20, 30)
    half = size // 2
    column = min(max(x, half), 30 - half) - half
    row = min(max(y, half), 20 - half) - half
    crop = crop_around(image, torch.tensor([[x, y]]), size)
    assert torch.equal(crop, image[:, :, row : row + size, column : column + size])


def test_refuses_what_does_not_fit():
    image = torch.zeros(1, 1, 8, 8)
    for size in (10, 3):
        with pytest.raises(ShapeError, match="even and fit"):
            crop_around(image, torch.zeros(1, 2), size)
    with pytest.raises(ShapeError, match="centres"):
        crop_around(image, torch.zeros(2, 2), 4)
