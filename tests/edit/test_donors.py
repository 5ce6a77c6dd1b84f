"""Which frames show the inside of an opening, against brute force, and what they show."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.edit.donors import (
    OpeningGatherer,
    Openings,
    cheapest_path,
    choose_candidates,
    cross_fade,
    cut_window,
    donor_path,
    opening_heights,
    stretches,
)
from spfem.edit.surface import AnchoredMesh
from spfem.head import load_head_model
from spfem.head.model import EYE, SKIN
from spfem.renderer.warp import look_up_spline, pixel_centres
from spfem.settings import LEFT_EYE, MOUTH, MovedSettings
from tests.edit.drawn import draw_clip, units


def _ellipse(width, height, points=16):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([width * np.cos(angle), height * np.sin(angle)], -1)


def _clip(heights):
    return np.stack([_ellipse(0.1, height) for height in heights])


def _openings(own, wanted, candidates=None):
    chosen = np.arange(len(own)) if candidates is None else np.asarray(candidates)
    return Openings(_clip(own), _clip(wanted), np.zeros((len(own), 3)), chosen, 16)


def _path_cost(cost, path, switch):
    changes = sum(a != b for a, b in pairwise(path))
    return sum(cost[t, column] for t, column in enumerate(path)) + switch * changes


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.floats(0, 1))
def test_the_path_is_the_cheapest_of_all(seed, length, columns, switch):
    cost = np.random.default_rng(seed).random((length, columns))
    found = cheapest_path(cost, switch)
    best = min(_path_cost(cost, path, switch) for path in product(range(columns), repeat=length))
    assert abs(_path_cost(cost, found, switch) - best) < 1e-9


def test_candidates_are_the_farthest_from_each_other():
    random = np.random.default_rng(1)
    shapes, usable = random.normal(size=(40, 6, 2)), np.arange(3, 40)
    found = choose_candidates(shapes, usable, 7)
    wanted = [max(usable, key=lambda t: np.ptp(shapes[t, :, 1]))]
    while len(wanted) < 7:
        wanted.append(
            max(
                usable,
                key=lambda t: min(np.linalg.norm(shapes[t] - shapes[chosen]) for chosen in wanted),
            )
        )
    assert found.tolist() == sorted(wanted)
    assert choose_candidates(shapes, usable[:5], 7).tolist() == usable[:5].tolist()


@pytest.mark.parametrize("highest", [0.0, 0.05])
def test_equal_openings_show_themselves(highest):
    heights = np.linspace(0, highest, 8)  # all equal: donors are as good, and no better
    path = donor_path(_openings(heights, heights), 0.02, 1.5)
    assert (path == 8).all()


def test_a_mouth_opened_more_than_shown_takes_the_frame_that_shows_it():
    own = [0.0] * 6 + [0.05] * 2
    path = donor_path(_openings(own, [0.05] * 8), 0.02, 1.5)
    assert set(path[:6]) <= {6, 7}
    assert (path[:6] == path[0]).all()  # no flicker between two that are as good
    assert (path == path[0]).all() or set(path[6:]) == {8}


def test_stretches_hold_the_height_to_the_largest():
    own, wanted, index = [0.01, 0.05, 0.0], [0.05, 0.05, 0.02], np.array([[1, 0], [0, 2], [0, 1]])
    openings = _openings(own, wanted)
    largest, least = 1.5, 0.004
    found = stretches(openings, index, largest, least)
    heights = opening_heights(openings.own, 16)
    goal = opening_heights(openings.wanted, 16)
    for t, column in np.ndindex(3, 3):
        donor = t if column == 0 else index[t, column - 1]
        ratio = (goal[t] + least) / (heights[donor] + least)
        wanted_slack = 1.0 if ratio <= largest else (1 - 1 / largest) / (1 - 1 / ratio)
        assert abs(found[t, column] - wanted_slack) < 1e-6
    assert found.min() > 0
    assert found.max() == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 9), st.sampled_from([4, 5])
)
def test_weights_sum_to_one_and_do_not_jump(path, frames, own):
    path = np.minimum(path, own)
    index, weight = cross_fade(path, own, frames)
    assert index.shape == (len(path), 2)
    assert index.min() >= 0
    assert index.max() < own
    np.testing.assert_allclose(weight.sum(1), 1, atol=1e-6)
    assert weight.min() >= 0
    changes = np.flatnonzero(np.diff(path))
    width = 2 * (max(frames, 1) // 2) + 1
    if len(changes) <= 1:  # rarer than the fade: no more than two are mixed
        dense = np.zeros((len(path), own + 1))
        rows = np.arange(len(path))
        dense[:, own] = weight[:, 0]
        for column in range(2):
            np.add.at(dense, (rows, index[:, column]), weight[:, column + 1])
        assert np.abs(np.diff(dense, axis=0)).max(initial=0) <= 1 / width + 1e-6
        far = [t for t in rows if all(abs(t - c - 0.5) > width / 2 for c in changes)]
        assert np.array_equal(dense[far].argmax(1), path[far])
        np.testing.assert_allclose(dense[far].max(1), 1, atol=1e-6)


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
