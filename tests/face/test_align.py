from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.face.align import (
    align_faces,
    alignment_matrices,
    invert,
    template_landmarks,
    umeyama,
    unalign_face,
)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-3, 3), st.floats(0.1, 10), st.floats(-50, 50), st.floats(-50, 50), st.integers(0, 99)
)
def test_umeyama_finds_a_planted_similarity(angle, scale, x, y, seed):
    source = np.random.default_rng(seed).normal(size=(10, 2))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = umeyama(source, source @ turn.T + (x, y))
    assert np.allclose(matrix, np.column_stack([turn, (x, y)]), atol=1e-8)


def test_umeyama_is_the_least_squares_optimum():
    random = np.random.default_rng(1)
    source, target = random.normal(size=(12, 2)), random.normal(size=(12, 2))
    rows = np.zeros((24, 4))
    rows[::2] = np.column_stack([source[:, 0], -source[:, 1], np.ones(12), np.zeros(12)])
    rows[1::2] = np.column_stack([source[:, 1], source[:, 0], np.zeros(12), np.ones(12)])
    a, b, x, y = np.linalg.lstsq(rows, target.ravel(), rcond=None)[0]
    assert np.allclose(umeyama(source, target), [[a, -b, x], [b, a, y]])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.zeros((4, 2)), np.ones((4, 2))),
        (np.zeros((3, 2)), np.zeros((4, 2))),
        (np.zeros((1, 2)),) * 2,
    ],
)
def test_umeyama_refuses(source, target):
    with pytest.raises(ShapeError):
        umeyama(source, target)


def test_batched_alignment_equals_umeyama(head, planted):
    template = template_landmarks(head, 64)
    from spfem.face.landmarks import FACE_OVAL

    inside = np.setdiff1d(np.arange(478), FACE_OVAL)
    landmarks = planted.tracked.landmarks[:3, :, :2]
    found = alignment_matrices(landmarks, template, 0.0)
    for matrix, marks in zip(found, landmarks, strict=True):
        assert np.allclose(matrix, umeyama(marks[inside], template[inside]), atol=1e-4)


def test_align_and_unalign_return_the_interior():
    random = np.random.default_rng(0)
    frame = cv2.GaussianBlur(random.integers(0, 255, (90, 90, 3), dtype=np.uint8), (0, 0), 4)
    matrix = umeyama([(20, 20), (70, 22)], [(10, 12), (110, 12)]).astype(np.float32)
    back = unalign_face(align_faces([frame], matrix[None], 120)[0], matrix, (90, 90))
    inside = unalign_face(np.full((120, 120), 255, np.uint8), matrix, (90, 90), nearest=True)
    inside = cv2.erode(inside, np.ones((9, 9)))
    assert np.abs(back[inside > 0].astype(int) - frame[inside > 0]).max() <= 4
    assert np.allclose(invert(invert(matrix)), matrix, atol=1e-5)
