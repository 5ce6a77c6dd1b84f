from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import InputError, ShapeError
from spfem.manipulator import Manipulator, label_style, reference_style
from spfem.manipulator.manipulate import geometric_median


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


def test_bad_input(small, space):
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
