"""What a rasterised mesh shows, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.head.raster import Raster
from spfem.renderer.moved import OpeningBox
from spfem.renderer.warp import MeshView, look_up, mean_inside
from spfem.settings import MOUTH, SKIN_LAYER


def _random_view(random, batch=2, height=4, width=5, triangles=6, vertices=7):
    corners = torch.from_numpy(random.integers(0, vertices, (triangles, 3)))
    face = torch.from_numpy(random.integers(-1, triangles, (batch, height, width))).int()
    place = torch.from_numpy(random.dirichlet(np.ones(3), (batch, height, width))).float()
    seen = (face >= 0)[..., None]
    depth = torch.where(face >= 0, 1.0, torch.inf)
    layers = torch.tensor([SKIN_LAYER, MOUTH, 1, 2, SKIN_LAYER, MOUTH])
    raster = Raster(face, place * seen, depth)
    return raster, MeshView.of(raster, corners, layers, torch.float64)


def test_attributes_are_mixed_as_a_loop_does():
    random = np.random.default_rng(0)
    raster, view = _random_view(random)
    attributes = torch.from_numpy(random.normal(size=(2, 7, 3)))
    mixed = view.interpolate(attributes)
    assert mixed.shape == (2, 3, 4, 5)
    for batch, y, x in np.ndindex(2, 4, 5):
        wanted = torch.zeros(3, dtype=torch.float64)
        face = int(raster.face[batch, y, x])
        for corner in range(3):
            if face >= 0:
                vertex = int(view.triangles[face, corner])
                share = float(raster.barycentric[batch, y, x, corner])
                wanted += share * attributes[batch, vertex]
        torch.testing.assert_close(mixed[batch, :, y, x], wanted)


def test_interpolation_has_the_gradient_of_its_corners():
    _, view = _random_view(np.random.default_rng(2))
    attributes = torch.rand(2, 7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(view.interpolate, attributes, fast_mode=True)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_looking_up_is_what_a_loop_does_with_the_border_repeated(mode):
    random = np.random.default_rng(3)
    picture = random.normal(size=(2, 2, 5, 7))
    places = random.uniform(-3, 10, (2, 2, 4, 6))
    result = look_up(torch.from_numpy(picture), torch.from_numpy(places), mode).numpy()
    for batch, y, x in np.ndindex(2, 4, 6):
        at = places[batch, :, y, x] - 0.5
        across, down = np.clip(at, 0, [6, 4])
        if mode == "nearest":
            wanted = picture[batch, :, round(down), round(across)]
        else:
            left, top = int(across), int(down)
            right, bottom = min(left + 1, 6), min(top + 1, 4)
            h, v = across - left, down - top
            wanted = (1 - v) * (
                (1 - h) * picture[batch, :, top, left] + h * picture[batch, :, top, right]
            ) + v * (
                (1 - h) * picture[batch, :, bottom, left] + h * picture[batch, :, bottom, right]
            )
        np.testing.assert_allclose(result[batch, :, y, x], wanted, atol=1e-12)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_means_inside_are_those_of_a_loop(samples):
    random = np.random.default_rng(4)
    values = random.normal(size=(2, 3, 4 * samples, 5 * samples))
    inside = (random.random((2, 1, 4 * samples, 5 * samples)) < 0.5).astype(float)
    result = mean_inside(torch.from_numpy(values), torch.from_numpy(inside), samples)
    for batch, channel, y, x in np.ndindex(2, 3, 4, 5):
        rows = slice(y * samples, (y + 1) * samples)
        columns = slice(x * samples, (x + 1) * samples)
        chosen = values[batch, channel, rows, columns][inside[batch, 0, rows, columns] > 0]
        wanted = chosen.mean() if len(chosen) else 0.0
        assert abs(float(result[batch, channel, y, x]) - wanted) < 1e-12


def test_a_box_cuts_each_picture_at_its_own_place():
    pictures = torch.rand(2, 3, 9, 11)
    box = OpeningBox(MOUTH, ((1, 2), (5, 0)), 4, 6)
    cut = box.cut(pictures)
    assert torch.equal(cut[0], pictures[0, :, 2:6, 1:7])
    assert torch.equal(cut[1], pictures[1, :, 0:4, 5:11])
    assert box.origins(pictures).tolist() == [[[1, 2, 0]], [[5, 0, 0]]]
