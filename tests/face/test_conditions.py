from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.errors import ShapeError
from spfem.face.align import face_masks
from spfem.face.camera import Pose, project
from spfem.face.conditions import ConditionPainter, aligned_vertices
from spfem.face.mesh import face_mesh
from spfem.head.raster import interpolate


@pytest.fixture(scope="module")
def painter(head):
    return ConditionPainter(head, 64)


@pytest.fixture(scope="module")
def images(painter, planted):
    return painter.paint(planted.codes)


def test_channels_are_stacked_as_released(images):
    stacked = images.stacked()
    assert stacked.shape[-1] == 10
    for channels, image in ((slice(0, 3), images.nmfc), (slice(3, 6), images.eye)):
        assert np.array_equal(stacked[..., channels], image)
    assert np.array_equal(stacked[..., 6:9], images.shape)
    assert np.array_equal(stacked[..., 9], images.mask)


def test_aligned_vertices_are_projected_then_aligned(head, painter, planted):
    codes = planted.codes
    pose = Pose.of(codes.rotation, codes.scale, codes.translation)
    vertices = head.vertices(codes.identity, codes.expression)[:, painter.mesh.vertices]
    frame = project(torch.from_numpy(vertices), pose).numpy()
    wanted = np.einsum("tab,tnb->tna", codes.align[:, :, :2], frame[..., :2])
    wanted += codes.align[:, None, :, 2]
    found = aligned_vertices(painter.mesh, codes, codes.expression).numpy()
    assert np.allclose(found[..., :2], wanted, atol=1e-3)
    size = np.sqrt(np.linalg.det(codes.align[:, :, :2]))
    assert np.allclose(found[..., 2], frame[..., 2] * size[:, None], atol=1e-3)


def test_nmfc_is_the_interpolated_place_on_the_mean_head(painter, planted, images):
    points = aligned_vertices(painter.mesh, planted.codes, planted.codes.expression)[:2]
    raster = painter.raster(points.contiguous(), 2)
    colours = torch.from_numpy(painter.mesh.coordinates)
    fine = interpolate(raster, painter.triangles, colours)
    slow = fine.unflatten(1, (64, 2)).unflatten(3, (64, 2)).mean((2, 4)).numpy() * 255
    solid = images.mask[:2, 30:34, 28:36] == 255
    difference = np.abs(images.nmfc[:2, 30:34, 28:36] - slow[:, 30:34, 28:36])[solid]
    assert difference.max() <= 1


def test_an_open_mouth_is_seen_and_grows_the_mask_and_closed_eyes_hide_the_iris(
    head, painter, planted
):
    def drawn(**values):
        units = np.zeros_like(planted.codes.expression)
        for name, value in values.items():
            units[:, head.expression_names.index(name)] = value
        return painter.paint(planted.codes, expression=units)

    wide, shut = drawn(jawOpen=0.9), drawn()
    assert wide.eye[..., 2].sum() > 20 * max(int(shut.eye[..., 2].sum()), 1)
    assert (wide.mask > 0).sum() > (shut.mask > 0).sum()
    asleep = drawn(eyeBlinkLeft=1, eyeBlinkRight=1)
    assert shut.eye[..., 0].sum() > 0
    assert asleep.eye[..., :2].sum() < 0.1 * shut.eye[..., :2].sum()


def test_other_shapes_are_refused(painter, planted):
    with pytest.raises(ShapeError, match="expression"):
        painter.paint(planted.codes, expression=np.zeros((2, 52), np.float32))


def test_eyes_and_mouth_belong_to_the_mesh_and_ears_do_not(head):
    mesh = face_mesh(head)
    assert set(mesh.region) == {0, 1, 2, 3, 4, 5}
    drawn = mesh.extent > 0
    assert np.abs(mesh.mean[drawn, 0]).max() < 0.33
    assert mesh.coordinates.min() == 0
    assert mesh.coordinates.max() == 1


def test_masks_hold_face_and_landmarks(planted, images):
    masks = face_masks(images.mask, planted.tracked.landmarks, planted.codes.align)
    assert set(np.unique(masks)) == {0, 255}
    assert (masks >= images.mask).all()
    marks = planted.tracked.landmarks[..., :2] @ planted.codes.align[:, :, :2].transpose(0, 2, 1)
    marks = (marks + planted.codes.align[:, None, :, 2]).astype(int).clip(0, 63)
    share = masks[np.arange(len(masks))[:, None], marks[..., 1], marks[..., 0]] == 255
    assert share.mean() > 0.98
