"""Push-pull against a slow pyramid, and what it must keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.renderer.moved.fill import SMALLEST, fill_smoothly


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


def test_partly_known_pixels_are_mixed_in():
    values, known = _planted(2, (12, 12))
    known *= 0.4
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


def test_linear_in_the_values_and_each_picture_for_itself():
    first, known = _planted(3, (2, 3, 11, 14))
    second, _ = _planted(4, (2, 3, 11, 14))
    first, second, known = map(torch.from_numpy, (first, second, known[:, :1]))
    both = fill_smoothly(2 * first - 3 * second, known)
    torch.testing.assert_close(
        both, 2 * fill_smoothly(first, known) - 3 * fill_smoothly(second, known)
    )
    torch.testing.assert_close(both[1:], fill_smoothly(2 * first - 3 * second, known)[1:])
    assert torch.equal(fill_smoothly(first[1:], known[1:]), fill_smoothly(first, known)[1:])


def test_where_nothing_is_known_there_is_zero_for_that_picture_alone():
    values, known = torch.rand(2, 2, 9, 9) + 1, torch.ones(2, 1, 9, 9)
    known[1] = 0
    result = fill_smoothly(values, known)
    assert torch.equal(result[0], values[0])
    assert not result[1].any()


def test_what_stands_where_nothing_is_known_does_not_matter():
    values, known = map(torch.from_numpy, _planted(5, (1, 1, 10, 10)))
    other = torch.where(known > 0, values, 1e6)
    assert torch.equal(fill_smoothly(values, known), fill_smoothly(other, known))


def test_gradient():
    values, known = map(torch.from_numpy, _planted(6, (1, 1, 6, 7)))
    assert torch.autograd.gradcheck(
        lambda v: fill_smoothly(v, known), values.requires_grad_(), fast_mode=True
    )
