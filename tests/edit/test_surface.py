"""The mesh held to landmarks, the light on it and what hides it: planted errors, light, patches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.edit.surface import (
    EDGES,
    NEIGHBOURHOOD,
    PARTED_JAW,
    RATIOS,
    AnchoredMesh,
    NormalFinder,
    SkinAppearance,
    SkinGatherer,
    fit_light,
    harmonics,
    neighbourhoods,
    shading_ratio,
)
from spfem.face.landmarks import INNER_LIPS, OUTER_LIPS
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
    parted = head.mean + PARTED_JAW * head.expression_basis[0]
    rim = mesh.rims[MOUTH]
    for mark, above in ((13, True), (14, False)):  # middle of the inner lips
        gap = np.linalg.norm(parted[mesh.mesh.vertices[rim]] - head.landmarks(parted)[mark], axis=1)
        assert (mesh.upper[rim[np.argsort(gap)[:4]]] == above).all()


FRAMES = 12
LIGHT = np.array([120.0, 20, -15, -40, 4, -6, 3, 5, -4])


def _facing_normals(count, seed=0):
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals[:, 2] = -np.abs(normals[:, 2]) - 0.3
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_normals_are_those_of_a_loop():
    random = np.random.default_rng(0)
    points, triangles = random.normal(size=(2, 7, 3)), random.integers(0, 7, (9, 3))
    triangles[:, 1], triangles[:, 2] = (triangles[:, 0] + 1) % 7, (triangles[:, 0] + 3) % 7
    wanted = np.zeros_like(points)
    for frame in range(2):
        for a, b, c in triangles:
            first, second, third = points[frame, [a, b, c]]
            for vertex in (a, b, c):
                wanted[frame, vertex] += np.cross(second - first, third - first)
    length = np.linalg.norm(wanted, axis=-1, keepdims=True)
    wanted = np.divide(wanted, length, out=np.zeros_like(wanted), where=length > 0)
    np.testing.assert_allclose(NormalFinder(triangles, 7)(points), wanted, atol=1e-9)


def test_planted_light_is_recovered():
    normals = _facing_normals(4000)
    bright = harmonics(normals) @ LIGHT
    found = harmonics(normals) @ fit_light(normals, bright)
    assert np.abs(found - bright).max() < 0.1 * np.ptp(bright)  # the ridge holds back a little
    assert np.abs(found - bright).mean() < 0.02 * np.ptp(bright)


def test_the_ratio_is_one_where_nothing_turns_and_else_that_of_the_light():
    before, after = _facing_normals(300, 1), _facing_normals(300, 2)
    assert (shading_ratio(LIGHT, before, before) == 1).all()
    wanted = (harmonics(after) @ LIGHT) / (harmonics(before) @ LIGHT)
    np.testing.assert_allclose(
        shading_ratio(LIGHT, before, after), np.clip(wanted, *RATIOS), rtol=1e-5
    )


@pytest.mark.parametrize("light", [np.zeros(9), -LIGHT])
def test_without_light_there_is_no_ratio_to_trust(light):
    ratio = shading_ratio(light, _facing_normals(50, 1), _facing_normals(50, 2))
    assert np.isfinite(ratio).all()
    assert (ratio >= RATIOS[0]).all()
    assert (ratio <= RATIOS[1]).all()


@pytest.fixture(scope="module")
def places():
    y, x = np.mgrid[0:0.6:0.02, 0:0.6:0.02]
    return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], 1)


@pytest.fixture(scope="module")
def skin(places):
    random = np.random.default_rng(0)
    tone = np.array([190.0, 150, 130]) + 20 * places[:, :1]
    return tone + random.normal(0, 3, (FRAMES, len(places), 3))


def _patch(places, colours, side):
    inside = (np.abs(places[:, :2] - 0.3) < side / 2).all(1)
    hidden = colours.copy()
    hidden[:, inside] = (40, 90, 40)
    return inside, hidden


def test_skin_hides_nothing_in_any_light(places, skin):
    usual = SkinAppearance(skin, neighbourhoods(places))
    assert not usual.hidden(skin).any()
    assert not usual.hidden(skin * 0.7).any()
    assert not usual.hidden(np.clip(skin * 1.3, 0, 255)).any()


def test_a_patch_is_found_where_it_is(places, skin):
    inside, hidden = _patch(places, skin[:2], 0.2)
    found = SkinAppearance(skin, neighbourhoods(places)).hidden(hidden)
    assert found.dtype == np.float32
    assert found[:, inside].min() > 0.15
    assert np.median(found[:, inside]) == 1
    away = (np.abs(places[:, :2] - 0.3) > 0.1 + NEIGHBOURHOOD).any(1)
    assert not found[:, away].any()


def test_a_hand_in_some_of_the_frames_learned_from_is_still_found(places, skin):
    inside, hidden = _patch(places, skin[:3], 0.2)
    mixed = np.concatenate([hidden, skin[3:]])
    usual = SkinAppearance(mixed, neighbourhoods(places))
    assert np.median(usual.hidden(hidden)[:, inside]) == 1
    assert not usual.hidden(skin[3:]).any()


def test_skin_of_a_drawn_head_is_lit_as_it_is_drawn():
    clip = draw_clip(units(4, jawOpen=[0.0, 0.2, 0.4, 0.6]))
    mesh = AnchoredMesh(load_head_model(), MovedSettings())
    gatherer = SkinGatherer(mesh, clip.track, np.arange(4))
    for index, frame in enumerate(clip.frames):
        gatherer.offer(index, frame)
    gatherer.finish()
    assert np.isfinite(gatherer.light).all()
    points = gatherer.points
    shading, held = gatherer.surface(list(clip.frames[:1]), points[:1], points[:1])
    assert (shading == 1).all()
    assert not held.any()
    turned, _ = gatherer.surface(list(clip.frames[:1]), points[:1], points[3:])
    assert turned.std() > 0.005
