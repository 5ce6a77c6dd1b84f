from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from spfem.released.flame import PARENTS, FlameDecoder, FlameModel, rotation_matrices

V = 40


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(0)

    def array(*shape):
        return random.standard_normal(shape).astype(np.float32)

    regressor, weights = np.abs(array(5, V)), np.abs(array(V, 5))
    return FlameModel(
        template=array(V, 3),
        shape_basis=0.1 * array(100, V, 3),
        expression_basis=0.1 * array(50, V, 3),
        pose_basis=0.1 * array(36, V, 3),
        joint_regressor=regressor / regressor.sum(1, keepdims=True),
        weights=weights / weights.sum(1, keepdims=True),
        triangles=np.zeros((1, 3), np.int32),
    )


@pytest.fixture(scope="module")
def decoder(model):
    return FlameDecoder(model).double()


def _codes(frames, seed=1):
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(frames, n, generator=generator, dtype=torch.float64) for n in (100, 50, 6)]
    return draw[0], draw[1], 0.5 * draw[2]


def _slow_vertices(model, shape, expression, pose):
    """Skinning of one frame with 4x4 matrices, joint by joint and vertex by vertex."""
    resting = model.template.astype(float)
    for coefficients, basis in (
        (shape, model.shape_basis),
        (expression, model.expression_basis),
    ):
        for coefficient, direction in zip(coefficients, basis, strict=True):
            resting = resting + coefficient * direction
    joints = model.joint_regressor.astype(float) @ resting
    turns = [Rotation.from_rotvec(v).as_matrix() for v in (pose[:3], [0] * 3, pose[3:])]
    turns += [np.eye(3)] * 2
    feature = np.concatenate([(turn - np.eye(3)).ravel() for turn in turns[1:]])
    corrected = resting + np.tensordot(feature, model.pose_basis.astype(float), 1)
    world = []
    for joint, above in enumerate(PARENTS):
        own = np.eye(4)
        own[:3, :3] = turns[joint]
        own[:3, 3] = joints[joint] - (joints[above] if above >= 0 else 0)
        world.append(own if above < 0 else world[above] @ own)
    placed = []
    for vertex, weights in zip(corrected, model.weights, strict=True):
        whole = np.zeros(4)
        for joint in range(5):
            back = np.eye(4)
            back[:3, 3] = -joints[joint]
            whole += weights[joint] * (world[joint] @ back @ np.append(vertex, 1))
        placed.append(whole[:3])
    return np.array(placed)


def test_rotations_are_those_of_scipy():
    vectors = np.random.default_rng(2).standard_normal((20, 3)) * 2
    found = rotation_matrices(torch.from_numpy(vectors))
    np.testing.assert_allclose(found, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-7)


def test_nothing_gives_the_template(model, decoder):
    vertices = decoder(*(torch.zeros(2, n, dtype=torch.float64) for n in (100, 50, 6)))
    np.testing.assert_allclose(vertices, np.stack([model.template] * 2), atol=1e-7)


def test_a_turn_of_the_head_is_rigid_about_its_joint(model, decoder):
    shape, expression, pose = _codes(1)
    pose[:, 3:] = 0
    still, turned = decoder(shape, expression, 0 * pose), decoder(shape, expression, pose)
    joint = (decoder.joint_regressor @ still[0])[0]
    rotation = torch.from_numpy(Rotation.from_rotvec(pose[0, :3]).as_matrix())
    torch.testing.assert_close(
        turned[0], (still[0] - joint) @ rotation.T + joint, atol=1e-6, rtol=0
    )


def test_vertices_are_those_of_the_slow_loop(model, decoder):
    codes = _codes(3)
    vertices = decoder(*codes)
    for frame in range(3):
        slow = _slow_vertices(model, *(code[frame].numpy() for code in codes))
        np.testing.assert_allclose(vertices[frame], slow, atol=2e-6)


def test_gradients_are_right_at_rest_too(decoder):
    shape, expression, pose = _codes(1)
    for turned in (pose, torch.zeros_like(pose)):
        inputs = tuple(x.clone().requires_grad_() for x in (shape, expression, turned))
        assert torch.autograd.gradcheck(
            lambda *x: decoder(*x)[:, :3], inputs, eps=1e-5, atol=1e-4, rtol=1e-3
        )
