"""Entropy and picture error against closed forms."""

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.evaluation.mouth import image_entropy, picture_error


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
