"""The displacement of planted sheets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from spfem.renderer.warp import (
    DISTANCE_CELLS,
    distance_outside,
    skin_field,
    transported,
    vertex_velocity,
)
from spfem.settings import MovedSettings
from tests.renderer.moved.planted import flat_sheet

SIDE, UNIT = 96, 60.0
SHEET = flat_sheet(33.0, 61.0)
SETTINGS = MovedSettings()


def _field(edited, source=SHEET.vertices):
    return skin_field(
        SHEET.view(edited, SIDE, SIDE),
        SHEET.view(source, SIDE, SIDE),
        source,
        edited,
        1.0,
        UNIT,
        SETTINGS,
    )


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


def test_velocity_is_nothing_but_a_gradient():
    places = SHEET.vertices.clone().requires_grad_()
    velocity = vertex_velocity(places)
    assert not velocity.any()
    velocity[..., 0].sum().backward()
    assert places.grad[..., 0].eq(1).all()
    assert not places.grad[..., 1:].any()
