"""Styles, edits, and how much of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import InputError, ShapeError
from spfem.manipulator import (
    ExpressionSpace,
    Manipulator,
    label_style,
    manipulate,
    mix_styles,
    reference_style,
    set_intensity,
)
from spfem.manipulator.data import gaussian_weights
from spfem.manipulator.manipulate import geometric_median, window_styles


@pytest.fixture
def manipulator(small, space):
    made = Manipulator(small, replace(space, value_range=None)).eval()
    made.measure_scale(torch.rand(50, 12))
    return made


def one_by_one(manipulator, expression, style_of_window):
    """The published way: a window at a time."""
    count, weights = len(expression) - 9, gaussian_weights(10).float()
    outputs = []
    for start in range(count):
        window = manipulator.standardise(expression[start : start + 10])[None]
        with torch.no_grad():
            edited = manipulator.generator(window, style_of_window(start)[None])[0]
        outputs.append(manipulator.restore(edited))
    result = torch.zeros_like(expression)
    for start, output in enumerate(outputs):
        result[start : start + 10] += weights[:, None] * output
    result[:9] = outputs[0][:9]
    result[-9:] = outputs[-1][1:]
    return result


@pytest.mark.parametrize("frames", [10, 14, 31])
def test_batched_windows_equal_one_by_one(manipulator, frames):
    expression, style = torch.rand(frames, 12), torch.randn(16)
    wanted = one_by_one(manipulator, expression, lambda start: style)
    edited = manipulate(expression, manipulator=manipulator, style=style)
    torch.testing.assert_close(edited, wanted, atol=1e-5, rtol=1e-4)


def test_anchored_edit_to_the_own_style_changes_nothing(manipulator):
    expression = torch.rand(25, 12)
    style = geometric_median(window_styles(manipulator, expression)).float()
    edited = manipulate(expression, manipulator=manipulator, style=style, anchored=True)
    torch.testing.assert_close(edited, expression, atol=1e-5, rtol=0)


def test_bad_input(manipulator):
    style = torch.zeros(16)
    with pytest.raises(ShapeError, match="9 frames, the manipulator's window has 10"):
        manipulate(torch.rand(9, 12), manipulator=manipulator, style=style)
    with pytest.raises(ShapeError, match="51 coefficients"):
        manipulate(torch.rand(20, 51), manipulator=manipulator, style=style)
    with pytest.raises(ShapeError, match="style has shape"):
        manipulate(torch.rand(20, 12), manipulator=manipulator, style=torch.zeros(15))
    with pytest.raises(ShapeError, match="give"):
        manipulate(torch.rand(20, 12), manipulator=manipulator, style=torch.zeros(0, 16))


def test_scale_is_measured_with_a_floor_and_only_if_asked(small):
    space = ExpressionSpace(("jaw", "still"))
    frames = torch.stack((torch.randn(1000), torch.full((1000,), 0.5)), dim=1)
    manipulator = Manipulator(small, space)
    manipulator.measure_scale(frames)
    torch.testing.assert_close(manipulator.mean, frames.mean(dim=0))
    assert manipulator.deviation[1] == pytest.approx(small.deviation_floor)
    torch.testing.assert_close(manipulator.restore(manipulator.standardise(frames)), frames)
    raw = Manipulator(replace(small, standardise=False), space)
    raw.measure_scale(frames)
    assert torch.equal(raw.standardise(frames), frames)


def summed_distance(point, points):
    return (points.double() - point).norm(dim=1).sum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 9), size=st.integers(1, 4))
def test_no_step_away_from_the_median_is_better(seed, count, size):
    random = torch.Generator().manual_seed(seed)
    points = torch.randn(count, size, generator=random)
    median = geometric_median(points, tolerance=1e-9, maximum_iterations=10_000)
    best = summed_distance(median, points)
    for step in 1e-2 * torch.randn(20, size, generator=random):
        assert summed_distance(median + step, points) >= best - 1e-6


@pytest.mark.parametrize(
    ("points", "wanted"),
    [
        ([[1.0, 2.0]], [1.0, 2.0]),
        ([[1.0, 2.0]] * 5, [1.0, 2.0]),
        ([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], [1.0, 0.0]),  # collinear: the middle one
        ([[0.0, 0.0]] * 3 + [[1.0, 0.0]] * 2, [0.0, 0.0]),  # a majority
        ([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0]),
    ],
)
def test_degenerate_points_terminate(points, wanted):
    median = geometric_median(torch.tensor(points), tolerance=1e-7)
    torch.testing.assert_close(median, torch.tensor(wanted).double(), atol=1e-3, rtol=0)


def test_reference_style_is_the_median_of_window_styles(small, space):
    manipulator = Manipulator(small, space).eval()
    first, second = torch.rand(14, 12), torch.rand(10, 12)
    windows = torch.stack([first[i : i + 10] for i in range(5)] + [second])
    with torch.no_grad():
        wanted = geometric_median(manipulator.style_encoder(windows))
    torch.testing.assert_close(reference_style(manipulator, [first, second]), wanted.float())


def test_bad_styles(small, space):
    manipulator = Manipulator(small, space)
    with pytest.raises(InputError, match="label 7"):
        label_style(manipulator, 7)
    with pytest.raises(InputError, match="latents"):
        label_style(manipulator, 0, latents=0)
    with pytest.raises(InputError, match="empty"):
        reference_style(manipulator, [])
    with pytest.raises(ShapeError, match="9 frames"):
        reference_style(manipulator, torch.rand(9, 12))
    with pytest.raises(ShapeError, match="51 coefficients"):
        reference_style(manipulator, torch.rand(20, 51))
    with pytest.raises(ShapeError, match="N > 0"):
        geometric_median(torch.zeros(0, 16))


@pytest.mark.parametrize("mix", [set_intensity, mix_styles])
def test_both_ends_are_exact_to_the_last_bit(mix):
    random = torch.Generator().manual_seed(0)
    first = torch.randn(40, 52, generator=random) * 1e3
    second = torch.randn(40, 52, generator=random) * 1e-3
    first[0, 0], second[0, 0] = -0.0, -0.0
    assert torch.equal(mix(first, second, 0.0).view(torch.int32), first.view(torch.int32))
    assert torch.equal(mix(first, second, 1.0).view(torch.int32), second.view(torch.int32))


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan")])
def test_bad_shares(value):
    with pytest.raises(InputError, match=r"intensity .* from 0 to 2"):
        set_intensity(torch.zeros(2, 3), torch.zeros(2, 3), value)
    with pytest.raises(InputError, match="share"):
        mix_styles(torch.zeros(3), torch.zeros(3), value)
    with pytest.raises(ShapeError, match="one shape"):
        mix_styles(torch.zeros(3), torch.zeros(4), 0.5)
