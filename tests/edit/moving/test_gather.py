"""Donors cut from drawn clips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spfem.edit.moving.anchoring import AnchoredMesh
from spfem.edit.moving.gather import OpeningGatherer, cut_window
from spfem.edit.moving.skin import SkinGatherer
from spfem.head import load_head_model
from spfem.head.model import EYE, SKIN
from spfem.renderer.warp import look_up_spline, pixel_centres
from spfem.settings import LEFT_EYE, MOUTH, MovedSettings
from tests.edit.moving.drawn import draw_clip, units


@pytest.fixture(scope="module")
def mesh():
    return AnchoredMesh(load_head_model(), MovedSettings())


@pytest.fixture(scope="module")
def clip():
    return draw_clip(units(4, jawOpen=[0.0, 0.2, 0.4, 0.6], eyeBlink=[0.0, 0.0, 0.0, 1.0]))


def _gather(mesh, clip, layer, frames):
    gatherer = OpeningGatherer(mesh, clip.track, layer, np.array(frames))
    for index, frame in enumerate(clip.frames):
        gatherer.offer(index, frame)
    return gatherer, gatherer.finish()


@given(st.integers(-9, 12), st.integers(-9, 12), st.integers(1, 9), st.integers(1, 9))
def test_a_window_is_cut_with_the_border_repeated(x, y, width, height):
    frame = np.arange(6 * 7 * 3, dtype=np.uint8).reshape(6, 7, 3)
    wide = np.pad(frame, ((20, 25), (20, 25), (0, 0)), mode="edge")
    wanted = wide[20 + y : 20 + y + height, 20 + x : 20 + x + width]
    assert np.array_equal(cut_window(frame, x, y, width, height), wanted)


def test_donors_are_crops_of_their_frames_with_the_mesh_in_place(mesh, clip):
    gatherer, donors = _gather(mesh, clip, MOUTH, [1, 3])
    size = (gatherer.height, gatherer.width)
    places = pixel_centres(size, donors.splines).expand(2, -1, -1, -1)
    pictures = look_up_spline(donors.splines, places).round().numpy()
    for place, frame in enumerate([1, 3]):
        x, y = gatherer.low[place]
        rows, columns = slice(y, y + gatherer.height), slice(x, x + gatherer.width)
        wanted = clip.frames[frame, rows, columns].transpose(2, 0, 1)
        assert np.array_equal(pictures[place], wanted)
    track = clip.track
    points = mesh.vertices(track, track.expression, mesh.corrections(track)).numpy()
    moved = donors.vertices.numpy() + np.pad(gatherer.low, ((0, 0), (0, 1)))[:, None]
    np.testing.assert_allclose(moved, points[[1, 3]], atol=1e-3)
    rim = donors.vertices[:, mesh.rims[MOUTH], :2].numpy()
    assert rim.min() >= 0
    assert (rim.max((0, 1)) <= [gatherer.width, gatherer.height]).all()


def test_an_open_mouth_is_shown_and_a_closed_one_is_not(mesh, clip):
    shown = _gather(mesh, clip, MOUTH, [0, 2, 3])[1].shown
    assert not shown[0].any()
    assert shown[1].max() == shown[2].max() == 1
    assert shown[2].sum() > 1.2 * shown[1].sum()
    eyes = _gather(mesh, clip, LEFT_EYE, [0, 3])[1].shown
    assert eyes[0].max() == 1
    assert not eyes[1].any()


def test_colours_are_those_that_the_clip_shows(mesh, clip):
    palette = _gather(mesh, clip, LEFT_EYE, [0, 1])[1].palette.numpy()
    assert palette.shape == (7, 3)
    assert (palette >= 0).all()
    assert (palette <= 255).all()
    skin = palette[SKIN]
    assert skin[0] > skin[1] > skin[2] > 60  # the drawn skin
    assert palette[EYE].mean() > 0.5 * skin.mean()


def test_skin_of_a_drawn_head_is_lit_as_it_is_drawn(mesh, clip):
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
