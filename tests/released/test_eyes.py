from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.released.deca_conditions import draw_eyes, edited_eyes, seen_eyes

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
