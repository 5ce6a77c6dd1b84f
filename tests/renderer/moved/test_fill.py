"""Push-pull against a slow pyramid, and what it must keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.renderer.warp import SMALLEST, fill_smoothly


def _halved(values):
    """Means (h, w) of blocks of 2 x 2 pixels, of what is left of them at the border."""
    rows, columns = (-(-side // 2) for side in values.shape)
    return np.array(
        [
            [values[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean() for x in range(columns)]
            for y in range(rows)
        ]
    )


def _enlarged(values, shape):
    """Bilinear, pixel centres at one half."""
    result = np.zeros(shape)
    for y, x in np.ndindex(*shape):
        at = [
            max((i + 0.5) * have / want - 0.5, 0.0)
            for i, have, want in zip((y, x), values.shape, shape, strict=True)
        ]
        low = [int(place) for place in at]
        high = [min(i + 1, side - 1) for i, side in zip(low, values.shape, strict=True)]
        down, right = at[0] - low[0], at[1] - low[1]
        result[y, x] = (1 - down) * (
            (1 - right) * values[low[0], low[1]] + right * values[low[0], high[1]]
        ) + down * ((1 - right) * values[high[0], low[1]] + right * values[high[0], high[1]])
    return result


def _slow_fill(values, known):
    """One channel (H, W), by recursion."""
    if min(values.shape) <= SMALLEST:
        mean = (values * known).sum() / max(known.sum(), 1e-9)
        return np.where(known > 0, values, mean)
    weight = _halved(known)
    mean = np.divide(_halved(values * known), weight, out=np.zeros_like(weight), where=weight > 0)
    coarse = _enlarged(_slow_fill(mean, weight), values.shape)
    return values * known + (1 - known) * coarse


def _planted(seed, shape, share=0.3):
    random = np.random.default_rng(seed)
    return random.normal(size=shape), (random.random(shape) < share).astype(float)


def _fill(values, known):
    return fill_smoothly(torch.from_numpy(values)[None, None], torch.from_numpy(known)[None, None])[
        0, 0
    ].numpy()


@pytest.mark.parametrize("shape", [(16, 16), (13, 22), (7, 5), (3, 9), (2, 2)])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_it_is_the_slow_pyramid(shape, share):
    values, known = _planted(1, shape, share)
    known[0, 0] = 1
    np.testing.assert_allclose(_fill(values, known), _slow_fill(values, known), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 20))
def test_known_values_stay_and_others_lie_between_them(seed, height, width):
    values, known = _planted(seed, (height, width))
    result = _fill(values, known)
    chosen = known > 0
    if not chosen.any():
        assert not result.any()
        return
    assert np.array_equal(result[chosen], values[chosen])
    low, high = values[chosen].min(), values[chosen].max()
    assert result.min() >= low - 1e-9
    assert result.max() <= high + 1e-9


def test_gradient():
    values, known = map(torch.from_numpy, _planted(6, (1, 1, 6, 7)))
    assert torch.autograd.gradcheck(
        lambda v: fill_smoothly(v, known), values.requires_grad_(), fast_mode=True
    )
