"""FLAME's file, vertices, camera and landmarks against slow and closed forms."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from spfem.errors import InputError
from spfem.head.raster import rasterise
from spfem.released.flame import (
    PARENTS,
    FlameDecoder,
    FlameModel,
    landmarks_68,
    outline_turn,
    project,
    read_flame_model,
    read_landmark_embedding,
    rotation_matrices,
    to_crop_pixels,
    to_raster,
)
from tests.released.made_up import model_fields, write_model


@pytest.fixture(scope="module")
def fields():
    return model_fields()


def test_planted_arrays_are_found(deca_folder, fields):
    model = read_flame_model(deca_folder / "generic_model.pkl")
    planted = {
        "template": fields["v_template"],
        "shape_basis": np.moveaxis(fields["shapedirs"][..., :100], -1, 0),
        "expression_basis": np.moveaxis(fields["shapedirs"][..., 300:350], -1, 0),
        "pose_basis": np.moveaxis(fields["posedirs"], -1, 0),
        "joint_regressor": fields["J_regressor"],
        "weights": fields["weights"],
        "triangles": fields["f"],
    }
    for name, array in planted.items():
        np.testing.assert_array_equal(getattr(model, name), array.astype(np.float32), name)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("weights", lambda a: a[:, :4], r"weights is \(5023, 4\) instead of \(5023, 5\)"),
        ("weights", lambda a: np.where(a > 0.5, np.nan, a), "weights is not finite"),
        ("kintree_table", lambda a: a * 0, "joints hang below"),
        ("f", lambda a: a + 1, "vertices that do not exist"),
        ("posedirs", lambda a: "text", "'posedirs' holds no numbers"),
    ],
)
def test_a_spoilt_entry_is_named(fields, tmp_path, name, spoil, message):
    small = fields | {"shapedirs": fields["shapedirs"].astype(np.float16)}
    write_model(tmp_path / "model.pkl", small | {name: spoil(fields[name])})
    with pytest.raises(InputError, match=message):
        read_flame_model(tmp_path / "model.pkl")


def test_a_missing_entry_is_named(fields, tmp_path):
    kept = {n: a for n, a in fields.items() if n != "posedirs"}
    write_model(tmp_path / "model.pkl", kept | {"shapedirs": np.zeros(1)})
    with pytest.raises(InputError, match="lacks posedirs"):
        read_flame_model(tmp_path / "model.pkl")


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
    for coefficients, basis in ((shape, model.shape_basis), (expression, model.expression_basis)):
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


SIZE = 16


def test_projection_is_the_weak_perspective_of_deca():
    points = torch.tensor([[[0.1, 0.2, 0.3]]])
    camera = torch.tensor([[5.0, 0.02, -0.04]])
    found = project(points, camera)[0, 0]
    torch.testing.assert_close(found, torch.tensor([0.6, -0.8, -1.5]))
    torch.testing.assert_close(to_crop_pixels(found), torch.tensor([112 + 67.2, 112 - 89.6]))


def _draw(triangle, depth=0.0):
    points = torch.tensor([[*place, depth] for place in triangle])[None]
    corners = torch.arange(3, dtype=torch.int32)[None]
    return rasterise(to_raster(points, SIZE), corners, SIZE, SIZE)


def test_pixel_centres_are_where_deca_has_them():
    # A right triangle whose legs run between pixel centres: x' > -0.3, y' > -0.5, x' + y' < 0.4.
    raster = _draw([(-0.3, -0.5), (0.9, -0.5), (-0.3, 0.7)])
    centre = (2 * np.arange(SIZE) + 1) / SIZE - 1
    x, y = np.meshgrid(centre, centre)
    inside = (x > -0.3) & (y > -0.5) & (x + y < 0.4)
    np.testing.assert_array_equal(raster.face[0] >= 0, inside)


def test_the_smallest_depth_wins():
    near, far = [(-0.5, -0.5), (0.5, -0.5), (0, 0.5)], [(-1, -1), (1, -1), (0, 1)]
    points = torch.tensor([[*p, 0.2] for p in far] + [[*p, -0.1] for p in near])[None]
    corners = torch.arange(6, dtype=torch.int32).view(2, 3)
    seen = rasterise(to_raster(points, SIZE), corners, SIZE, SIZE).face[0]
    small = _draw(near).face[0] >= 0
    assert (seen[small] == 1).all()
    assert (seen[~small] <= 0).all()
    assert (seen == 0).any()


@pytest.fixture(scope="module")
def embedding(deca_folder):
    return read_landmark_embedding(deca_folder / "landmark_embedding.npy")


@pytest.fixture(scope="module")
def stored(deca_folder):
    return np.load(deca_folder / "landmark_embedding.npy", allow_pickle=True).item()


@pytest.mark.parametrize(
    ("degrees", "row"),
    [(0, 0), (10.4, 10), (38.6, 39), (80, 39), (-1, 40), (-10.4, 49), (-39, 78), (-80, 78)],
)
def test_the_outline_follows_the_turn_of_the_head(degrees, row):
    turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    assert outline_turn(torch.from_numpy(turn)[None]).item() == row


def test_a_nod_keeps_the_outline():
    nod = Rotation.from_euler("x", 30, degrees=True).as_matrix()
    assert outline_turn(torch.from_numpy(nod)[None]).item() == 0


def test_landmarks_lie_where_the_file_says(embedding, stored):
    random = np.random.default_rng(0)
    vertices = random.standard_normal((2, 5023, 3))
    triangles = random.integers(0, 5023, (9976, 3))
    turns = Rotation.from_euler("y", [[5], [-30]], degrees=True).as_matrix()
    found = landmarks_68(*map(torch.from_numpy, (vertices, triangles, turns)), embedding)
    for frame, row in enumerate((5, 69)):
        faces = [*np.asarray(stored["dynamic_lmk_faces_idx"])[row], *stored["static_lmk_faces_idx"]]
        places = [
            *np.asarray(stored["dynamic_lmk_bary_coords"])[row],
            *stored["static_lmk_bary_coords"],
        ]
        for landmark, (face, place) in enumerate(zip(faces, places, strict=True)):
            wanted = place @ vertices[frame][triangles[face]]
            np.testing.assert_allclose(found[frame, landmark], wanted, atol=1e-12)


def test_tables_are_read_as_stored(embedding, stored):
    np.testing.assert_array_equal(embedding.outline_faces, stored["dynamic_lmk_faces_idx"])
    np.testing.assert_array_equal(embedding.fixed_places, stored["static_lmk_bary_coords"])


class _Command:
    def __reduce__(self):
        return os.system, ("touch made",)


def test_foreign_files_are_refused(stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "landmark_embedding.npy"
    cases = [
        (np.zeros(3), "plain numbers"),
        ({"static_lmk_faces_idx": np.zeros(51)}, "lacks static_lmk_bary_coords"),
        (stored | {"static_lmk_faces_idx": np.zeros(50)}, r"is \(50,\) instead of \(51,\)"),
        (stored | {"static_lmk_faces_idx": np.full(51, 9976)}, "leaves FLAME's triangles"),
        (stored | {"static_lmk_bary_coords": np.full((51, 3), np.nan)}, "not finite"),
        (stored | {"more": _Command()}, "could run code"),
    ]
    for content, message in cases:
        np.save(path, content, allow_pickle=True)
        with pytest.raises(InputError, match=message):
            read_landmark_embedding(path)
    path.write_bytes(b"\x93NUMP")
    with pytest.raises(InputError, match=r"no \.npy file"):
        read_landmark_embedding(path)
    assert not (tmp_path / "made").exists()
