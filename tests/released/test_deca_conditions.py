"""Eyes, and the way from frames over codes to condition images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.errors import ShapeError
from spfem.released import deca_conditions
from spfem.released.deca import crop_faces, crop_transforms, load_deca, points_68
from spfem.released.deca_codes import to_expression
from spfem.released.deca_conditions import (
    draw_deca_conditions,
    draw_eyes,
    edited_eyes,
    encode_faces,
    face_points,
    pupil_center,
    seen_eyes,
)
from spfem.released.deca_images import mean_face_coordinates


def test_a_dark_spot_draws_the_centre():
    grey = np.full((40, 40), 0.9)
    grey[18:22, 24:28] = 0.01
    square = np.array([(8, 8), (32, 8), (32, 32), (8, 32)])
    centre = pupil_center(grey, square)
    assert np.allclose(pupil_center(np.full((40, 40), 0.5), square), (20, 20))
    assert np.linalg.norm(centre - (25.5, 19.5)) < 2.2


def test_an_eye_without_light_is_refused():
    with pytest.raises(ShapeError, match="above 0"):
        pupil_center(np.zeros((20, 20)), np.array([(2, 2), (9, 2), (9, 9)]))
    with pytest.raises(ShapeError, match="polygon"):
        pupil_center(np.zeros((20, 20)), np.zeros((3, 3)))


SIZE = 100
TURN = np.array([np.pi, -2.2, -0.9, 0, 0.9, 2.2])


def _points(open_by=8.0, shift=(0.0, 0.0)):
    points = np.full((1, 68, 2), 50.0)
    for first, centre in ((36, (30, 40)), (42, (70, 40))):
        outline = np.stack([12 * np.cos(TURN), open_by * np.sin(TURN)], 1)
        points[0, first : first + 6] = outline + centre + shift + np.array(0.5)
    return points


def _image(pupils):
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.full((SIZE, SIZE), 250, np.uint8)
    for px, py in pupils:
        image[(x - px) ** 2 + (y - py) ** 2 <= 9] = 2
    return np.repeat(image[None, ..., None], 3, -1)


def test_pupils_are_the_dark_places():
    eyes = seen_eyes(_image([(33, 41), (67, 39)]), _points())
    np.testing.assert_array_equal(eyes[0, 0], [18, 40])  # 30 - 12, cut off
    assert np.abs(eyes[0, 12:] - [(33, 41), (67, 39)]).max() <= 1


def test_pupils_move_along_with_their_eye():
    seen = seen_eyes(_image([(33, 41), (67, 39)]), _points())
    moved = edited_eyes(seen, _points(4.0, (3.0, 2.0)))
    np.testing.assert_array_equal(moved[0, 3], [45, 42])
    assert np.abs(moved[0, 12:] - seen[0, 12:] - (3, 2)).max() <= 1
    assert np.ptp(moved[0, :6, 1]) < np.ptp(seen[0, :6, 1])


def test_discs_are_as_large_as_the_eye_is_open():
    eyes = np.zeros((1, 14, 2), np.int32)
    eyes[0, :6] = [(0, 0), (4, -5), (8, -5), (12, 0), (8, 5), (4, 5)]  # diagonals of 10.8
    eyes[0, 12:] = (40, 50), (98, 50)  # the second outline is shut
    image = draw_eyes(eyes, SIZE, SIZE)[0]
    y, x = np.mgrid[:SIZE, :SIZE]
    disc = (x - 40) ** 2 + (y - 50) ** 2 < 25
    np.testing.assert_array_equal(image[..., 0], np.where(disc, 255, 0))
    assert (image[..., 1:] == 0).all()


def test_discs_at_the_border_are_cut():
    eyes = np.zeros((1, 14, 2), np.int32)
    eyes[0, 1], eyes[0, 4], eyes[0, 2], eyes[0, 5] = (0, 0), (0, 20), (0, 0), (0, 20)
    eyes[0, 12] = SIZE - 1, 0
    image = draw_eyes(eyes, SIZE, SIZE)[0, ..., 0]
    assert image[0, SIZE - 1] == 255
    assert image[:, : SIZE // 2].sum() == 0


def test_other_points_are_named():
    with pytest.raises(ShapeError, match="wanted"):
        edited_eyes(np.zeros((1, 14, 2), np.int32), np.zeros((1, 478, 2)))


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
    return draw_deca_conditions(deca, codes)


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
    again = draw_deca_conditions(deca, codes, to_expression(codes))
    for name in ("nmfc", "shape"):
        step = getattr(again, name).astype(int) - getattr(drawn, name)
        assert step.min() >= 0
        assert step.max() <= 1


def test_an_opened_jaw_moves_the_lower_face(deca, codes, drawn):
    still = replace(codes, pose=codes.pose * [1, 1, 1, 0, 0, 0])
    still = replace(still, pose=still.pose.astype(np.float32))
    opened = to_expression(still)
    opened[:, 0] += 0.3
    before = draw_deca_conditions(deca, still, to_expression(still)).nmfc.astype(int)
    after = draw_deca_conditions(deca, still, opened).nmfc.astype(int)
    change = np.abs(after - before).mean((0, 2, 3))
    face = np.flatnonzero(drawn.nmfc.any((0, 2, 3)))
    upper, lower = np.array_split(change[face.min() : face.max()], 2)
    assert lower.mean() > 10 * upper.mean()
    assert lower.mean() > 1


def test_clips_go_through_in_parts(deca, codes, drawn, monkeypatch):
    monkeypatch.setattr(deca_conditions, "CHUNK_FRAMES", 1)
    again = draw_deca_conditions(deca, codes)
    difference = np.abs(again.shape.astype(int) - drawn.shape)
    assert difference.mean() < 0.01
    assert np.quantile(difference, 0.999) <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same(deca_folder, images, landmarks, codes, drawn):
    deca = load_deca(deca_folder, "cuda")
    again = encode_faces(deca.networks, images, landmarks)
    np.testing.assert_allclose(again.expression, codes.expression, atol=2e-3)  # TF32
    pictures = draw_deca_conditions(deca, codes)
    difference = np.abs(pictures.nmfc.astype(int) - drawn.nmfc)
    assert np.quantile(difference, 0.995) <= 1


def test_wrong_input_is_named(deca, codes, images, landmarks):
    with pytest.raises(ShapeError, match="wanted uint8"):
        encode_faces(deca.networks, images / 255, landmarks)
    with pytest.raises(ShapeError, match="1 frames of landmarks for 2 images"):
        encode_faces(deca.networks, images, landmarks[:1])
    with pytest.raises(ShapeError, match=r"\(1, 51\); these codes need \(2, 51\)"):
        draw_deca_conditions(deca, codes, np.zeros((1, 51)))
