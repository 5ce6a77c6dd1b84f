from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.face.camera import (
    Pose,
    pose_from_affine,
    project,
    refine_pose,
    rotation_matrix,
    rotation_vector,
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
    turn = rotation_matrix(torch.tensor([0.2, -0.15, 0.1]))
    found = Pose(turn @ pose.rotation, pose.scale * 1.2, pose.translation + 5)
    batch = places.expand(5, -1, -1)
    for _ in range(8):
        found = refine_pose(found, batch, pixels, torch.ones(5, 40))
    assert torch.allclose(found.rotation, pose.rotation, atol=1e-4)
    assert torch.allclose(found.translation, pose.translation, atol=1e-2)


def test_weight_zero_ignores_a_landmark():
    places, pose, pixels = _planted()
    spoilt, weights = pixels.clone(), torch.ones(5, 40)
    spoilt[:, 3] += 500
    weights[:, 3] = 0
    found = pose
    for _ in range(3):
        found = refine_pose(found, places.expand(5, -1, -1), spoilt, weights)
    assert np.allclose(found.scale, pose.scale, rtol=1e-4)


def test_exact_landmarks_give_the_exact_pose():
    places, pose, pixels = _planted()
    found = pose_from_affine(places, pixels, torch.ones(40))
    assert torch.allclose(found.rotation, pose.rotation, atol=1e-3)
    assert torch.allclose(found.scale, pose.scale, rtol=1e-3)
    assert torch.allclose(found.translation, pose.translation, atol=1e-2)
