"""The mesh held to landmarks: planted errors of the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.edit.anchoring import EDGES, AnchoredMesh
from spfem.face.landmarks import INNER_LIPS, OUTER_LIPS
from spfem.face.mesh import CHART_JAW
from spfem.head import load_head_model
from spfem.head.model import EYE, SKIN
from spfem.settings import LEFT_EYE, MOUTH, RIGHT_EYE, SKIN_LAYER, MovedSettings
from tests.edit.drawn import draw_clip, units


@pytest.fixture(scope="module")
def mesh():
    return AnchoredMesh(load_head_model(), MovedSettings())


@pytest.fixture(scope="module")
def clip():
    return draw_clip(units(3, jawOpen=[0.0, 0.2, 0.4]), turn=(0.1, 0.3, 0.1))


def _shifted(clip, shift, marks=slice(None)):
    landmarks = clip.track.landmarks.copy()
    landmarks[:, marks, :2] += np.float32(shift)
    return replace(clip.track, landmarks=landmarks)


def test_vertices_are_those_that_were_drawn(mesh, clip):
    """Head vertices and landmarks posed by hand, which the drawn frames show."""
    track, head = clip.track, load_head_model()
    places = mesh.vertices(track, track.expression, mesh.corrections(track)).numpy()
    marks = mesh.marks(track.identity, track.expression)
    np.testing.assert_allclose(
        marks, head.landmarks(head.vertices(track.identity, track.expression)), atol=1e-4
    )
    gap = np.linalg.norm(
        places[:, :, None, :2] - track.landmarks[:, None, list(OUTER_LIPS), :2], axis=-1
    )
    assert gap.min(1).max() < 1.5  # a vertex lies near each mark


def test_a_shift_of_all_landmarks_moves_the_mesh_where_landmarks_lie(mesh, clip):
    found = mesh.corrections(_shifted(clip, (1.5, -1.0)))
    sure = mesh.weights.sum(1) > 0.7
    assert sure.sum() > 300
    shift = found[:, sure] / mesh.weights.sum(1)[sure][:, None]
    np.testing.assert_allclose(shift, np.broadcast_to([1.5, -1.0], shift.shape), atol=0.02)
    length = np.linalg.norm(found, axis=-1)
    assert length.max() <= np.hypot(1.5, 1.0) + 0.02


def test_a_mark_pulls_what_is_near_it_and_no_more(mesh, clip):
    found = mesh.corrections(_shifted(clip, (2, 0), list(INNER_LIPS)))
    rim = found[:, mesh.rims[MOUTH], 0]
    assert rim.max() > 0.7
    assert rim.min() >= 0
    assert np.abs(found[:, mesh.rims[LEFT_EYE]]).max() < 0.01


def test_layers_are_those_of_the_regions_and_rims_lie_on_the_skin(mesh):
    region, layers = mesh.mesh.region, mesh.layers
    assert np.array_equal(layers == SKIN_LAYER, region == SKIN)
    eyes = np.isin(layers, [LEFT_EYE, RIGHT_EYE])
    assert np.array_equal(eyes, region == EYE)
    places = mesh.mesh.mean
    assert places[mesh.mesh.triangles[layers == RIGHT_EYE], 0].max() < 0
    assert places[mesh.mesh.triangles[layers == LEFT_EYE], 0].min() > 0
    skin = np.unique(mesh.mesh.triangles[layers == SKIN_LAYER])
    for layer in EDGES:
        assert len(mesh.rims[layer]) > 10
        assert np.isin(mesh.rims[layer], skin).all()
    head = load_head_model()
    parted = head.mean + CHART_JAW * head.expression_basis[0]
    rim = mesh.rims[MOUTH]
    for mark, above in ((13, True), (14, False)):  # middle of the inner lips
        gap = np.linalg.norm(parted[mesh.mesh.vertices[rim]] - head.landmarks(parted)[mark], axis=1)
        assert (mesh.upper[rim[np.argsort(gap)[:4]]] == above).all()
