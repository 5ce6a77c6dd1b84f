"""Frames to codes to condition images on a made-up head of the true structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.errors import ShapeError
from spfem.released import deca_conditions
from spfem.released.deca import crop_faces, crop_transforms, points_68
from spfem.released.deca_codes import to_expression
from spfem.released.deca_conditions import draw_conditions, encode_faces, face_points
from spfem.released.deca_images import mean_face_coordinates
from spfem.released.flame_files import load_deca

FRAMES, HEIGHT, WIDTH = 2, 250, 256


@pytest.fixture(scope="module")
def images():
    small = np.random.default_rng(0).integers(0, 256, (FRAMES, 25, 32, 3), dtype=np.uint8)
    return small.repeat(10, 1).repeat(8, 2)


@pytest.fixture(scope="module")
def landmarks():
    random = np.random.default_rng(1)
    return random.uniform((70, 60, 0), (190, 190, 9), (FRAMES, 478, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def codes(deca, images, landmarks):
    return encode_faces(deca.networks, images, landmarks)


@pytest.fixture(scope="module")
def drawn(deca, codes):
    return draw_conditions(deca, codes)


def test_codes_are_what_the_encoders_say_of_the_crop(deca, images, landmarks, codes):
    crop = crop_transforms(points_68(landmarks) - 0.5, (WIDTH, HEIGHT))
    np.testing.assert_array_equal(codes.crop, crop)
    np.testing.assert_array_equal(codes.image_size, (WIDTH, HEIGHT))
    with torch.inference_mode():
        last = crop_faces(images[1:], crop[1:])
        coarse, detail = (
            network(last)[0].numpy() for network in (deca.networks.E_flame, deca.networks.E_detail)
        )
    whole = [codes.shape, codes.texture, codes.expression, codes.pose, codes.camera]
    found = np.concatenate([*(part[1] for part in whole), codes.light[1].ravel()])
    np.testing.assert_allclose(found, coarse, atol=1e-5)
    np.testing.assert_allclose(codes.detail[1], detail, atol=1e-5)


def test_68_points_do_as_well(deca, images, landmarks, codes):
    again = encode_faces(deca.networks, images[:1], points_68(landmarks)[:1])
    np.testing.assert_allclose(again.expression[0], codes.expression[0], atol=1e-5)


def test_pictures_show_a_face_at_its_landmarks(deca, codes, drawn):
    assert drawn.nmfc.shape == drawn.shape.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert drawn.nmfc.dtype == drawn.shape.dtype == np.uint8
    assert 0.05 < (drawn.nmfc.any(-1)).mean() < 0.9
    colours = mean_face_coordinates(deca.model.template)
    embedding, triangles = deca.landmarks, deca.model.triangles
    near = 0
    for frame, points in enumerate(face_points(deca, codes)):
        for landmark in range(17, 68):
            corners = triangles[embedding.fixed_faces[landmark - 17]]
            place = embedding.fixed_places[landmark - 17].numpy()
            if (deca.model.template[corners, 2] < 0.06).any():
                continue  # not on the front of the head
            column, row = (int(v) for v in np.floor(points[landmark]))
            wanted = 255 * place @ colours[corners]
            np.testing.assert_allclose(drawn.nmfc[frame, row, column], wanted, atol=6)
            near += 1
    assert near > 5


def test_the_same_expression_changes_no_more_than_the_rounding(deca, codes, drawn):
    again = draw_conditions(deca, codes, to_expression(codes))
    for name in ("nmfc", "shape"):
        step = getattr(again, name).astype(int) - getattr(drawn, name)
        assert step.min() >= 0
        assert step.max() <= 1


def test_an_opened_jaw_moves_the_lower_face(deca, codes, drawn):
    still = replace(codes, pose=codes.pose * [1, 1, 1, 0, 0, 0])
    still = replace(still, pose=still.pose.astype(np.float32))
    opened = to_expression(still)
    opened[:, 0] += 0.3
    before = draw_conditions(deca, still, to_expression(still)).nmfc.astype(int)
    after = draw_conditions(deca, still, opened).nmfc.astype(int)
    change = np.abs(after - before).mean((0, 2, 3))
    face = np.flatnonzero(drawn.nmfc.any((0, 2, 3)))
    upper, lower = np.array_split(change[face.min() : face.max()], 2)
    assert lower.mean() > 10 * upper.mean()
    assert lower.mean() > 1


def test_clips_go_through_in_parts(deca, codes, drawn, monkeypatch):
    monkeypatch.setattr(deca_conditions, "CHUNK_FRAMES", 1)
    again = draw_conditions(deca, codes)
    difference = np.abs(again.shape.astype(int) - drawn.shape)
    assert difference.mean() < 0.01
    assert np.quantile(difference, 0.999) <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same(deca_folder, images, landmarks, codes, drawn):
    deca = load_deca(deca_folder, "cuda")
    again = encode_faces(deca.networks, images, landmarks)
    np.testing.assert_allclose(again.expression, codes.expression, atol=2e-3)  # TF32
    pictures = draw_conditions(deca, codes)
    difference = np.abs(pictures.nmfc.astype(int) - drawn.nmfc)
    assert np.quantile(difference, 0.995) <= 1


def test_wrong_input_is_named(deca, codes, images, landmarks):
    with pytest.raises(ShapeError, match="wanted uint8"):
        encode_faces(deca.networks, images / 255, landmarks)
    with pytest.raises(ShapeError, match="1 frames of landmarks for 2 images"):
        encode_faces(deca.networks, images, landmarks[:1])
    with pytest.raises(ShapeError, match=r"\(1, 51\); these codes need \(2, 51\)"):
        draw_conditions(deca, codes, np.zeros((1, 51)))
