from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import correlation_map, describe_places, feature_maps
from spfem.correlation.window_similarity import temporal_scores
from tests.explore.made_up import made_clip, made_metrics

TOLERANCE = 2e-5  # one batch of frames or another


@pytest.fixture(scope="module")
def metrics():
    return made_metrics()


@pytest.fixture(scope="module")
def images():
    return [images_from_frames(made_clip(emotion).faces) for emotion in ("neutral", "happy")]


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("raw", [True, False])
def test_products_in_one_frame_are_the_correlation_map(metrics, images, level, raw):
    model = metrics["spatial"]
    described = [
        describe_places(model, feature_maps(model, each)[level], level, torch.tensor([6]), raw=raw)
        for each in images
    ]
    row, column = described[0].shape[2] - 1, 2
    found = torch.einsum("d,dhw->hw", described[0][0, :, row - 1, column - 1], described[1][0])
    pictures = [each[[6]] for each in images]
    kind = "raw" if raw else "learned"
    wanted = correlation_map(model, *pictures, (row, column), level, kind)[1:-1, 1:-1]
    assert np.allclose(found, wanted, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["temporal_vd", "temporal_cm"])
def test_products_of_windows_are_what_the_temporal_metric_compares(metrics, images, name):
    model = metrics[name]
    maps = [feature_maps(model, each)[0] for each in images]
    frames = [torch.arange(len(each)) for each in maps]
    described = [describe_places(model, each, 0, at) for each, at in zip(maps, frames, strict=True)]

    def window(side, frame):
        start = min(max(frame - 2, 0), len(maps[side]) - 5)
        return maps[side][None, start : start + 5]

    moves = torch.zeros(1, 4, 2, dtype=torch.bool)
    found = (described[0][7][None] * described[1]).sum(1)
    for u in (0, 5, len(maps[1]) - 1):
        other = window(1, u)
        with torch.no_grad():
            scores = temporal_scores(model, 0, window(0, 7), other, other, moves, moves)
        assert torch.allclose(found[u], scores.matched[0], atol=TOLERANCE)
