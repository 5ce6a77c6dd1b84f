from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.head import load_head_model
from spfem.released.deca import points_68

MIRRORED = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
]  # fmt: skip


@pytest.fixture(scope="module")
def points():
    head = load_head_model()
    return points_68(head.landmarks(head.mean)[None])[0]


def test_each_point_has_its_mirror_image(points):
    assert len(set(map(tuple, points))) == 68
    mirrored = points[MIRRORED] * (-1, 1)
    eye_distance = points[45, 0] - points[36, 0]
    assert np.abs(points - mirrored).max() < 0.06 * eye_distance


def test_points_are_in_the_order_of_the_68(points):
    x, y = points.T
    assert (np.diff(x[4:13]) > 0).all()  # along the jaw, in the image's direction
    assert (np.diff(x[17:27]) > 0).all()  # brows
    assert (np.diff(y[27:31]) > 0).all()  # down the nose
    assert (np.diff(x[31:36]) > 0).all()
    for eye in (36, 42):
        assert x[eye] < x[eye + 1] < x[eye + 2] < x[eye + 3]
        assert (y[[eye + 1, eye + 2]] < y[[eye + 5, eye + 4]]).all()  # upper lid above lower
    assert (np.diff(x[48:55]) > 0).all()
    assert (np.diff(x[54:60]) < 0).all()
    assert y[51] < y[62] <= y[66] < y[57] < y[8]


def test_other_landmarks_are_named():
    with pytest.raises(ShapeError, match="wanted"):
        points_68(np.zeros((3, 68, 2)))
