"""Lips, codes and pictures against the truth: planted shifts, closed forms, slow versions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.evaluation.mouth import (
    MOUTH,
    REGIONS,
    ROOM,
    detail_kept,
    detail_ratio,
    expression_error,
    expression_gain,
    image_entropy,
    mesh_mouth_error,
    mouth_correlation,
    mouth_error,
    picture_error,
)
from spfem.face.landmarks import interocular_distance
from spfem.head import load_head_model
from tests.evaluation.made_up import make_landmarks


def turned(landmarks, angle=0.3, scale=1.4, shift=(12, -7)):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = landmarks.copy()
    moved[..., :2] = landmarks[..., :2] @ turn.T + shift
    return moved


def test_head_motion_costs_nothing():
    truth = make_landmarks()
    assert mouth_error(turned(truth), truth).max() < 1e-3
    assert mouth_correlation(turned(truth), truth) == pytest.approx(1.0)


def test_a_planted_lip_shift_is_measured_in_percent_of_the_eyes():
    truth = make_landmarks()
    shifted = truth.copy()
    shifted[:, MOUTH, 0] += 0.05 * interocular_distance(truth)[:, None]
    assert np.allclose(mouth_error(turned(shifted), truth), 5.0, atol=1e-3)


@pytest.mark.parametrize("bad", [np.zeros((5, 478, 2)), np.zeros((6, 68, 2)), np.zeros((6, 478))])
def test_other_shapes_are_refused(bad):
    with pytest.raises(ShapeError, match="one shape"):
        mouth_error(bad, make_landmarks()[..., :2])


def test_on_the_mesh_equal_codes_have_no_error_and_a_smile_its_own():
    """Against landmarks read off whole meshes, vertex by vertex."""
    head, random = load_head_model(), np.random.default_rng(0)
    identity = random.normal(size=len(head.identity_basis)) * 0.3
    true = random.uniform(0, 0.3, (3, len(head.expression_names)))
    shown = true.copy()
    shown[1:, head.expression_names.index("mouthSmileLeft")] += 0.6
    slow = []
    for codes, wanted in zip(shown, true, strict=True):
        meshes = []
        for units in (codes, wanted):
            mesh = head.mean.astype(float).copy()
            for weight, shape in zip(
                [*identity, *units], [*head.identity_basis, *head.expression_basis], strict=True
            ):
                mesh += weight * shape
            meshes.append(head.landmarks(mesh))
        slow.append(mouth_error(meshes[0][None], meshes[1][None])[0])
    found = mesh_mouth_error(identity, shown, true)
    assert np.allclose(found, slow, atol=1e-3)
    assert found[0] == pytest.approx(0, abs=1e-4)
    assert found[1:].min() > 1


def test_codes_on_the_mesh_that_do_not_fit_are_refused():
    head = load_head_model()
    identity, codes = np.zeros(len(head.identity_basis)), np.zeros((3, len(head.expression_names)))
    with pytest.raises(ShapeError, match="one shape"):
        mesh_mouth_error(identity, codes[:2], codes)
    with pytest.raises(ShapeError, match="one shape"):
        mesh_mouth_error(identity, codes[:, :9], codes[:, :9])


def test_expression_error_is_the_mean_difference():
    codes = np.random.default_rng(0).random((4, 52)).astype(np.float32)
    assert expression_error(codes + 0.25, codes) == pytest.approx(0.25, abs=1e-6)


def test_entropy_equals_that_of_opencv_grey():
    import cv2

    pictures = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    wanted = []
    for picture in pictures:
        counts = np.unique(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), return_counts=True)[1]
        share = counts / counts.sum()
        wanted.append(-(share * np.log2(share)).sum())
    assert image_entropy(pictures) == pytest.approx(np.mean(wanted), abs=0.02)
    assert np.isnan(image_entropy(pictures[:0]))


def test_picture_error_counts_the_face_only():
    truth = np.full((2, 40, 40, 3), 100, np.uint8)
    landmarks = np.zeros((2, 478, 3))
    landmarks[..., :2] = np.random.default_rng(0).uniform(10, 19.9, (2, 478, 2))
    shifted = truth + np.uint8(7)
    assert picture_error(shifted, truth, landmarks) == pytest.approx(7)
    outside = truth.copy()
    outside[:, 25:] = 0
    assert picture_error(outside, truth, landmarks) == 0
    with pytest.raises(ShapeError, match="same moments"):
        picture_error(truth[:1], truth, landmarks)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (5, 128, 128, 3), dtype=np.uint8)


def test_detail_against_a_slow_version(pictures):
    marks = make_landmarks(5)
    blurred = np.stack([cv2.GaussianBlur(one, (0, 0), 1.0) for one in pictures])
    ratios = []
    for result, truth, places in zip(blurred, pictures, marks, strict=True):
        box = places[list(REGIONS["eyes"]), :2].astype(float)
        room = ROOM * max(np.ptp(box[:, 0]), np.ptp(box[:, 1]))
        left, top = (int(np.floor(box[:, k].min() - room)) for k in (0, 1))
        right, bottom = (int(np.ceil(box[:, k].max() + room)) for k in (0, 1))
        variances = []
        for picture in (result, truth):
            grey = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(float)
            wide = np.pad(grey, 1, mode="reflect")
            around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
            variances.append((around - 4 * grey).var())
        ratios.append(variances[0] / variances[1])
    assert detail_ratio(blurred, pictures, marks, "eyes") == pytest.approx(np.median(ratios))


def test_detail_refuses_what_does_not_fit(pictures):
    marks = make_landmarks(5)
    with pytest.raises(ShapeError, match="same moments"):
        detail_ratio(pictures[:4], pictures, marks, "mouth")
    with pytest.raises(ShapeError, match="mouth, eyes"):
        detail_ratio(pictures, pictures, marks, "nose")


def test_detail_is_kept_by_a_copy_and_lost_by_blur_and_by_noise():
    random = np.random.default_rng(0)
    pictures = random.integers(60, 190, (3, 96, 96, 3), dtype=np.uint8)
    marks = random.uniform(20, 76, (3, 478, 2))
    soft = np.stack([cv2.GaussianBlur(one, (0, 0), 1.0) for one in pictures])
    assert detail_kept(pictures, marks, pictures, marks) == 1
    assert detail_kept(soft, marks, pictures, marks) < 0.2
    # Detail that the truth does not have is no praise: the same as if it were lost.
    assert detail_kept(pictures, marks, soft, marks) == pytest.approx(
        detail_kept(soft, marks, pictures, marks)
    )
    moved = np.roll(pictures, (3, 5), axis=(1, 2))
    there = marks + np.array([5, 3])
    assert detail_kept(moved, there, pictures, marks) == pytest.approx(1, abs=0.02)
    flat = np.full_like(pictures, 9)
    assert detail_kept(flat, marks, pictures, marks) == 0
    assert np.isnan(detail_kept(pictures, marks, flat, marks))


@settings(max_examples=30, deadline=None)
@given(share=st.floats(-1, 3), seed=st.integers(0, 99))
def test_gain_is_the_share_of_the_way_and_falls_beyond_the_truth(share, seed):
    random = np.random.default_rng(seed)
    source, truth = random.uniform(0, 1, (2, 5, 52))
    found = expression_gain(source + share * (truth - source), source, truth)
    assert found == pytest.approx(1 - abs(1 - share))
    noise = random.normal(0, 0.1, source.shape)
    assert expression_gain(source + noise, source, truth) < 0.2  # moving elsewhere is no way


def test_gain_needs_a_way_and_frames_that_fit():
    codes = np.ones((2, 52))
    assert np.isnan(expression_gain(codes, codes, codes))
    with pytest.raises(ShapeError, match="one shape"):
        expression_gain(codes[:1], codes, codes + 1)
