"""Displacements, push-pull, splines and views of meshes, against slow forms of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, map_coordinates

from spfem.head.raster import Raster
from spfem.renderer.warp import (
    DISTANCE_CELLS,
    SMALLEST,
    MeshView,
    OpeningBox,
    SourceView,
    distance_outside,
    fill_smoothly,
    look_up,
    look_up_spline,
    mean_inside,
    skin_field,
    spline_coefficients,
    transported,
)
from spfem.settings import MOUTH, SKIN_LAYER, MovedSettings
from tests.renderer.sheets import flat_sheet

SIDE, UNIT = 96, 60.0
SHEET = flat_sheet(33.0, 61.0)
SETTINGS = MovedSettings()


def _field(edited, source=SHEET.vertices):
    before = SourceView(SHEET.view(source, SIDE, SIDE), 1.0, UNIT, SETTINGS)
    return skin_field(SHEET.view(edited, SIDE, SIDE), before, source, edited)


def _shifted(x, y):
    return SHEET.vertices + torch.tensor([x, y, 0.0])


@settings(max_examples=25, deadline=None)
@given(st.floats(-8, 8), st.floats(-8, 8))
def test_a_rigid_shift_is_found_inside_and_has_faded_far_away(x, y):
    shift, fade = _field(_shifted(x, y))
    inside = SHEET.view(_shifted(x, y), SIDE, SIDE).layer[0] == -1
    found = shift[0, :, inside]
    np.testing.assert_allclose(found[0], np.full(found.shape[1], -x), atol=1e-4)
    np.testing.assert_allclose(found[1], np.full(found.shape[1], -y), atol=1e-4)
    assert (fade[0, 0, inside] == 1).all()
    reach = SETTINGS.reach_per_shift * np.hypot(x, y) + SETTINGS.least_reach * UNIT
    away = distance_transform_edt(~inside.numpy())
    far = away > min(reach, SETTINGS.reach * UNIT) + 2 * -(-SIDE // DISTANCE_CELLS)
    assert far.any()
    assert not shift[0][:, torch.from_numpy(far)].any()
    assert shift.norm(dim=1).max() <= np.hypot(x, y) + 1e-3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_equal_vertices_give_exactly_nothing(seed):
    noise = np.random.default_rng(seed).normal(0, 1.0, SHEET.vertices.shape).astype(np.float32)
    places = SHEET.vertices + torch.from_numpy(noise)
    shift, _ = _field(places, places)
    assert not shift.any()


@pytest.mark.parametrize("size", [(30, 40), (40, 17), (96, 96), (128, 100), (101, 67), (200, 90)])
def test_distance_is_that_of_scipy(size):
    random = np.random.default_rng(0)
    mask = np.zeros(size, bool)
    mask[tuple(random.integers(0, side, 4) for side in size)] = True
    mask[size[0] // 3 : size[0] // 2, size[1] // 3 : size[1] // 2] = True
    found = distance_outside(torch.from_numpy(mask)[None, None])[0, 0].numpy()
    cell = -(-max(size) // DISTANCE_CELLS)
    miss = np.abs(found - distance_transform_edt(~mask))
    assert not found[mask].any()
    assert miss.max() < (1e-5 if cell == 1 else 1.5 * cell)


def test_the_shift_is_carried_along_exactly_for_a_linear_one():
    """With d(x) = A x + b, what is at x after a motion v was at x - v: d = A (x - v) + b - v."""
    y, x = np.mgrid[:12, :12] + 0.5
    place = torch.from_numpy(np.stack([x, y]))[None]
    linear = torch.tensor([[0.1, -0.2], [0.05, 0.3]], dtype=torch.float64)
    shift = (linear @ place.flatten(2)).view_as(place)
    size = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    velocity = size.view(1, 2, 1, 1).expand_as(shift)
    carried = transported(shift, velocity)
    assert torch.equal(carried, shift)
    inner = carried[0, :, 4, 5]
    for axis in range(2):
        (slope,) = torch.autograd.grad(inner[axis], size, retain_graph=True)
        wanted = -linear[axis] - torch.eye(2, dtype=torch.float64)[axis]
        assert torch.allclose(slope, wanted)


def test_the_field_has_the_gradient_of_a_rigid_shift():
    edited = _shifted(3.0, 1.0).requires_grad_()
    shift, _ = _field(edited)
    assert torch.equal(shift, _field(edited.detach())[0])
    (slope,) = torch.autograd.grad(shift[0, 0, 48, 50], edited)
    assert abs(float(slope[0, :, 0].sum()) + 1) < 1e-4
    assert abs(float(slope[0, :, 1].sum())) < 1e-4


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
