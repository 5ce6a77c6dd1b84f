from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, minimize

from spfem.face.camera import (
    Pose,
    bounded_least_squares,
    pose_from_affine,
    project,
    refine_pose,
    rotation_matrix,
    rotation_vector,
    smooth_over_time,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3))
def test_rotation_vectors_survive_the_round_trip(values):
    vector = torch.tensor(values, dtype=torch.float64)
    matrix = rotation_matrix(vector)
    assert torch.allclose(matrix @ matrix.mT, torch.eye(3, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(rotation_vector(matrix), vector, atol=1e-6)


def _planted(count=5):
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(40, 3, generator=generator)
    vector = 0.4 * torch.randn(count, 3, generator=generator)
    scale = 50 + 20 * torch.rand(count, generator=generator)
    pose = Pose(rotation_matrix(vector), scale, 10 * torch.randn(count, 2, generator=generator))
    return places, pose, project(places, pose)[..., :2]


def test_gauss_newton_reaches_the_pose_from_a_wrong_start():
    places, pose, pixels = _planted()
    weights = torch.ones(5, 40)
    weights[:, 3] = 0
    pixels[:, 3] += 500  # of no weight
    turn = rotation_matrix(torch.tensor([0.2, -0.15, 0.1]))
    found = Pose(turn @ pose.rotation, pose.scale * 1.2, pose.translation + 5)
    batch = places.expand(5, -1, -1)
    for _ in range(8):
        found = refine_pose(found, batch, pixels, weights)
    assert torch.allclose(found.rotation, pose.rotation, atol=1e-4)
    assert torch.allclose(found.translation, pose.translation, atol=1e-2)


def test_exact_landmarks_give_the_exact_pose():
    places, pose, pixels = _planted()
    found = pose_from_affine(places, pixels, torch.ones(40))
    assert torch.allclose(found.rotation, pose.rotation, atol=1e-3)
    assert torch.allclose(found.scale, pose.scale, rtol=1e-3)
    assert torch.allclose(found.translation, pose.translation, atol=1e-2)


def _problem(frames=3, units=6, seed=0):
    random = np.random.default_rng(seed)
    factor = random.normal(size=(frames, 12, units))
    target = random.normal(size=(frames, 12)) * 2
    normal = torch.from_numpy(factor.transpose(0, 2, 1) @ factor)
    right = torch.from_numpy(np.einsum("tnu,tn->tu", factor, target))
    return factor, target, normal, right


def test_agrees_with_an_active_set_solver():
    factor, target, normal, right = _problem()
    found = bounded_least_squares(
        normal, right, torch.zeros(3, 6, dtype=torch.float64), torch.zeros(6), 800
    )
    for frame in range(3):
        wanted = lsq_linear(factor[frame], target[frame], (0, 1)).x
        assert np.allclose(found[frame], wanted, atol=1e-5)


def test_agrees_with_a_general_solver_when_smooth():
    _, _, normal, right = _problem(seed=1)
    strength = torch.full((6,), 3.0, dtype=torch.float64)
    found = bounded_least_squares(
        normal, right, torch.zeros(3, 6, dtype=torch.float64), strength, 800
    )

    def loss(flat):
        x = flat.reshape(3, 6)
        data = 0.5 * np.einsum("tu,tuv,tv->", x, normal.numpy(), x) - (right.numpy() * x).sum()
        return data + 0.5 * 3.0 * (np.diff(x, axis=0) ** 2).sum()

    wanted = minimize(loss, np.full(18, 0.5), bounds=[(0, 1)] * 18, options={"ftol": 1e-14})
    assert loss(found.numpy().ravel()) <= wanted.fun + 1e-6


def test_smoothing_is_the_dense_solution():
    values = torch.randn(7, 2, dtype=torch.float64)
    difference = np.diff(np.eye(7), axis=0)
    wanted = np.linalg.solve(np.eye(7) + 2.5 * difference.T @ difference, values.numpy())
    assert np.allclose(smooth_over_time(values, 2.5), wanted)
