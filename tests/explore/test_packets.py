from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies.explorer_page import _compact

from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import correlation_map, disparity_weights
from spfem.explore.packets import (
    clip_packet,
    matched_frames,
    other_frames,
    places_packet,
    says_something_else,
)
from tests.explore.made_up import made_clip, made_metrics

EXACT, ROUNDED = 2e-4, 0.02  # of similarities, by 16 bits a number, and as on a page


@pytest.fixture(scope="module")
def metrics():
    return made_metrics()


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(("compact", "most"), [(False, EXACT), (True, ROUNDED)])
def test_codes_give_the_correlation_map(metrics, level, raw, compact, most):
    model, clips = metrics["spatial"], (made_clip("neutral"), made_clip("happy"))
    sides = [places_packet(model, clip, level, raw=raw) for clip in clips]
    if compact:  # as on a page
        sides = _compact(sides)
        assert {side.arrays["codes"].dtype.name for side in sides} == {"int8"}
    first, second = (side.arrays["codes"] * side.header["scale"] for side in sides)
    height, width = sides[0].header["shape"]
    random = np.random.default_rng(level)
    for _ in range(5):
        row, column = random.integers(1, height - 1), random.integers(1, width - 1)
        t, u = random.integers(len(first)), random.integers(len(second))
        images = [
            images_from_frames(clip.faces[[at]]) for clip, at in zip(clips, (t, u), strict=True)
        ]
        name = "raw" if raw else "learned"
        wanted = correlation_map(model, *images, (row, column), level, name)[1:-1, 1:-1]
        found = second[u] @ first[t, (row - 1) * (width - 2) + column - 1]
        assert np.abs(found.reshape(wanted.shape) - wanted).max() < most
        weights = 1 + sides[0].arrays["weights"][t] / 255
        exact = disparity_weights(model, images[0], level)[1:-1, 1:-1]
        assert np.allclose(weights.reshape(exact.shape), exact, atol=0.003)


def test_the_wire_has_plain_words_and_bytes():
    header, parts = clip_packet(made_clip("sad")).to_wire()
    assert json.loads(json.dumps(header))["visemes"][0] == "v0"
    for listed, part in zip(header["arrays"], parts, strict=True):
        values = np.frombuffer(part, listed["type"])
        assert values.size == np.prod(listed["shape"])


GAP = 3


def test_a_frame_matches_the_middle_of_what_the_path_gives_it():
    path = np.array([[0, 0], [2, 4], [2, 5], [2, 6], [9, 9]])
    assert matched_frames(path, 17)[[0, 2, 3, 16]].tolist() == [0, 5, 5, 9]


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4), st.integers(0, 99))
def test_the_other_moment_says_something_else_where_there_is_one(rows, columns, kinds, seed):
    random = np.random.default_rng(seed)
    matched = np.sort(random.integers(0, columns, rows)).astype(np.int32)
    visemes = tuple(random.integers(0, kinds, n).astype(str).tolist() for n in (rows, columns))
    elsewhere = says_something_else(matched, columns, GAP, visemes)
    others = other_frames(matched, elsewhere, GAP)
    for frame, (same, other) in enumerate(zip(matched, others, strict=True)):
        said = {visemes[0][frame], visemes[1][same]}
        wanted = [u for u in range(columns) if abs(u - same) >= GAP and visemes[1][u] not in said]
        assert np.flatnonzero(elsewhere[frame]).tolist() == wanted
        assert other in (wanted or [0, columns - 1])
