from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.evaluation.identity import DlibIdentity, cosine_identity, identity_distance
from spfem.face.descriptor import CHIP_LANDMARKS, CHIP_POINTS, face_chips
from tests.evaluation.made_up import make_landmarks


def make_picture(side=128, seed=0):
    """A smooth random picture."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [
        np.sin(
            2 * np.pi * (random.integers(1, 4) * x + random.integers(1, 4) * y + random.random())
        )
        for _ in range(3)
    ]
    return (127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def test_chips_equal_those_of_dlib():
    dlib = pytest.importorskip("dlib")
    frame = make_picture(200)
    landmarks = np.zeros((1, 478, 2), np.float32)
    places = np.round(CHIP_POINTS * 0.9 + (25, 30))
    landmarks[0, CHIP_LANDMARKS] = places
    points = [dlib.point(int(x), int(y)) for x, y in places]
    face = dlib.full_object_detection(dlib.rectangle(0, 0, 200, 200), points)
    theirs = dlib.get_face_chip(frame, face, size=150, padding=0.25).astype(int)
    ours = face_chips(frame[None], landmarks)[0].astype(int)
    # dlib rounds the chip's box and samples a pyramid, which moves its chip by under a pixel.
    shifted = np.roll(ours, 3, axis=1)[:, 3:]
    assert 3 * np.abs(ours - theirs).mean() < np.abs(shifted - theirs[:, 3:]).mean()


def test_descriptor_does_not_depend_on_where_the_face_is():
    frame = make_picture(128)
    landmarks = make_landmarks(1)
    larger = frame.repeat(2, 0).repeat(2, 1)
    larger = np.pad(larger, ((10, 0), (20, 0), (0, 0)), mode="edge")
    moved = landmarks * 2 + np.float32([20, 10, 0])
    first = DlibIdentity().embed(frame[None], landmarks)
    second = DlibIdentity().embed(larger[None], moved)
    assert first.shape == (1, 128)
    assert cosine_identity(first, first) == pytest.approx(1.0)
    assert cosine_identity(first, second) > 0.98
    assert identity_distance(first, first) == 0.0


def test_distance_and_cosine_of_known_descriptors():
    first, second = np.array([[3.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 4.0], [0.0, 1.0]])
    assert cosine_identity(first, second) == pytest.approx(0.5)
    assert identity_distance(first, second) == pytest.approx(3.0)


def test_bad_input_is_refused():
    frame = make_picture()[None]
    with pytest.raises(ShapeError, match="uint8"):
        face_chips(frame.astype(float), make_landmarks(1))
    with pytest.raises(ShapeError, match="landmarks must be"):
        face_chips(frame, make_landmarks(2))
    with pytest.raises(ShapeError, match="one shape"):
        cosine_identity(np.zeros((2, 3)), np.zeros((3, 3)))
