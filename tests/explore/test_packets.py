from __future__ import annotations

import json

import numpy as np
import pytest
from studies.explorer_page import _compact

from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import correlation_map, disparity_weights
from spfem.explore.packets import clip_packet, places_packet
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
