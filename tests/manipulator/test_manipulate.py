from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.errors import ShapeError
from spfem.manipulator import ExpressionSpace, Manipulator, manipulate
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
