from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.errors import ShapeError
from spfem.released.deca import crop_faces, crop_transforms, warp_bilinear

transform = pytest.importorskip("skimage.transform")


def _points(left=60.0, right=180.0, top=70.0, bottom=210.0):
    random = np.random.default_rng(0)
    points = random.uniform((left, top), (right, bottom), (68, 2))
    points[:2] = (left, top), (right, bottom)
    return points[None]


def test_the_box_is_the_released_one():
    size = int((120 + 140) / 2 * 1.1 * 1.25)
    (matrix,) = crop_transforms(_points(), (256, 256))
    corner = np.array([120, 140]) - size / 2
    np.testing.assert_allclose(matrix @ [*corner, 1], [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(matrix @ [*(corner + size), 1], [223, 223, 1], atol=1e-9)


def test_a_frame_without_a_face_gets_the_whole_image():
    points = np.concatenate([_points(), np.full((1, 68, 2), np.nan)])
    matrices = crop_transforms(points, (320, 240))
    assert matrices[0] == pytest.approx(crop_transforms(_points(), (320, 240))[0])
    size = int((319 + 239) / 2 * 1.1 * 1.25)
    np.testing.assert_allclose(matrices[1] @ [159.5, 119.5, 1], [111.5, 111.5, 1])
    assert matrices[1, 0, 0] == pytest.approx(223 / size)


def test_pictures_are_warped_as_by_skimage_there_and_back():
    images = np.random.default_rng(1).integers(0, 256, (2, 250, 256, 3), dtype=np.uint8)
    images[:, 0, 0] = 0  # skimage clips the border to the darkest pixel
    matrices = crop_transforms(np.concatenate([_points(), _points(-20, 90, 5, 150)]), (256, 250))
    crops = crop_faces(images, matrices)
    for image, matrix, crop in zip(images, matrices, crops, strict=True):
        similarity = transform.SimilarityTransform(matrix)
        wanted = transform.warp(image / 255, similarity.inverse, output_shape=(224, 224))
        np.testing.assert_allclose(crop.movedim(0, -1), wanted, atol=2e-4)
    back = warp_bilinear(crops, torch.from_numpy(matrices), 250, 256)
    for crop, matrix, found in zip(crops, matrices, back, strict=True):
        picture = crop.movedim(0, -1).double().numpy()
        similarity = transform.SimilarityTransform(matrix)
        wanted = transform.warp(picture, similarity, output_shape=(250, 256), clip=False)
        np.testing.assert_allclose(found.movedim(0, -1), wanted, atol=2e-4)


def test_points_that_make_no_box_are_named():
    with pytest.raises(ShapeError, match="wanted"):
        crop_transforms(np.zeros((1, 478, 2)), (256, 256))
    with pytest.raises(ShapeError, match="frame 1 has no extent"):
        crop_transforms(np.concatenate([_points(), np.ones((1, 68, 2))]), (256, 256))
