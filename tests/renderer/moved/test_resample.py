"""Cubic splines against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from spfem.renderer.warp import look_up_spline, spline_coefficients


@pytest.mark.parametrize("size", [(30, 40), (9, 13), (3, 2)])
def test_values_are_those_of_scipy(size):
    random = np.random.default_rng(0)
    picture = random.uniform(0, 255, size)
    places = random.uniform(0, 1, (2, 6, 7)) * np.array(size[::-1])[:, None, None]
    found = look_up_spline(
        spline_coefficients(torch.from_numpy(picture)[None, None]), torch.from_numpy(places)[None]
    )
    at = places[::-1] - 0.5  # rows first, the first centre at 0
    wide = np.pad(picture, 40, mode="edge")
    wanted = map_coordinates(wide, at + 40, order=3, mode="nearest")
    np.testing.assert_allclose(found[0, 0].numpy(), wanted, atol=1e-3)


def test_gradient_to_pictures_and_places():
    picture = torch.rand(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    places = (1 + 3 * torch.rand(1, 2, 3, 4, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, q: look_up_spline(spline_coefficients(p), q), (picture, places), fast_mode=True
    )
