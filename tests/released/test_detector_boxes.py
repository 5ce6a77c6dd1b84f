from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import FaceNotFoundError, ShapeError
from spfem.released.ned_files import (
    cut_boxes,
    face_crop_boxes,
    fill_missing_boxes,
    grow_boxes,
    smooth_boxes,
    square_boxes,
)


def boxes_at(*lefts):
    return np.array([[left, 40, left + 50, 110] for left in lefts], np.float32)


def test_missing_boxes_come_from_the_next_detection_and_at_the_end_from_the_last():
    boxes = boxes_at(0, 1, 2, 3, 4, 5)
    present = np.array([0, 1, 0, 0, 1, 0], bool)
    np.testing.assert_array_equal(fill_missing_boxes(boxes, present)[:, 0], [1, 1, 4, 4, 4, 4])


@pytest.mark.parametrize(("frames", "window"), [(70, 49), (12, 11), (13, 13), (1, 1)])
def test_median_equals_a_slow_one(frames, window):
    boxes = np.random.default_rng(frames).normal(size=(frames, 4)).astype(np.float32)
    mirrored = np.concatenate([boxes[::-1], boxes, boxes[::-1]])
    half = window // 2
    slow = [
        np.median(mirrored[frames + t - half : frames + t + half + 1], axis=0)
        for t in range(frames)
    ]
    np.testing.assert_array_equal(smooth_boxes(boxes), slow)


def test_one_wild_detection_moves_no_crop():
    boxes = boxes_at(*[100] * 30)
    boxes[12] = [0, 0, 300, 300]
    cut = face_crop_boxes(boxes, np.ones(30, bool), (240, 320))
    assert len(np.unique(cut, axis=0)) == 1


def test_squares_have_the_height_and_the_middle_of_the_box():
    square = square_boxes(np.array([[100.0, 40, 140, 100]]))
    np.testing.assert_allclose(square, [[90, 40, 150, 100]])
    np.testing.assert_allclose(square_boxes(square, 0.1), [[90, 46, 150, 106]])


def test_margin_is_a_fixed_share_of_the_crop_and_stops_at_the_frame():
    box = np.array([[100.0, 50, 286, 236]])  # 256 - 70 = 186 pixels
    np.testing.assert_array_equal(grow_boxes(box, (400, 400)), [[65, 15, 321, 271]])
    np.testing.assert_array_equal(grow_boxes(box, (240, 300)), [[65, 15, 300, 240]])


def test_no_jump_at_frame_500():
    shift = np.linspace(0, 30, 1001)
    boxes = np.stack([60 + shift, 60 + shift, 120 + shift, 120 + shift], axis=1)
    cut = face_crop_boxes(boxes, np.ones(1001, bool), (300, 300))
    assert np.abs(np.diff(cut, axis=0)).max() <= 1


@pytest.mark.parametrize(("box", "size"), [((10, 20, 30, 40), 20), ((10, 20, 30, 40), 256)])
def test_crops_show_the_box(box, size):
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[20:40, 10:30] = (200, 100, 50)
    crop = cut_boxes(frame[None], np.array([box]), size)
    assert crop.shape == (1, size, size, 3)
    assert (crop == (200, 100, 50)).all()


def test_bad_detections_are_named():
    with pytest.raises(FaceNotFoundError, match="in any of the 3 frames"):
        face_crop_boxes(boxes_at(1, 2, 3), np.zeros(3, bool), (240, 320))
    with pytest.raises(ShapeError, match=r"\(3, 4\) and present \(2,\)"):
        fill_missing_boxes(boxes_at(1, 2, 3), np.ones(2, bool))
    with pytest.raises(ShapeError, match="empty or not finite"):
        fill_missing_boxes(np.full((2, 4), np.nan), np.ones(2, bool))
    with pytest.raises(ShapeError, match="outside the frame of 20 x 10"):
        grow_boxes(np.array([[100.0, 50, 286, 236]]), (10, 20))
