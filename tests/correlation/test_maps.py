from __future__ import annotations

import numpy as np
import pytest
import torch
from studies.window_similarity import temporal_scores

from spfem.correlation import images_from_frames
from spfem.correlation.asccl import adaptive_weight, neighbour_disparities, on_face
from spfem.correlation.learn import initial_metric, untrained_metric
from spfem.correlation.maps import (
    correlation_map,
    describe_patches,
    describe_places,
    disparity_weights,
    feature_maps,
    inside_face,
)
from spfem.errors import ShapeError
from tests.correlation.planted import SMALL, draw_face, planted_pairs
from tests.explore.made_up import made_clip, made_metrics


@pytest.fixture(scope="module")
def metric():
    return untrained_metric(planted_pairs((0,))[0], SMALL, seed=0)


def face(viseme, emotion=0):
    return images_from_frames(draw_face(viseme, emotion, 0)[None])


@pytest.mark.parametrize("kind", ["raw", "learned"])
def test_map_equals_a_slow_loop(metric, kind):
    first, second, level, place = face(0), face(2, 1), 1, (3, 5)
    found = correlation_map(metric, first, second, place, level, kind)
    assert found.shape == (8, 8)
    rows = []
    for image, (row, column) in ((first, place), (second, (4, 2))):
        with torch.no_grad():
            features = metric.resnet50(image)[level]
            raw = neighbour_disparities(features, torch.tensor([[row, column]]))[0].T  # (8, C)
            rows.append(metric.mlp.project(level, raw) if kind == "learned" else raw)
    cosines = torch.nn.functional.cosine_similarity(*rows, dim=1)
    assert found[4, 2] == pytest.approx(float(cosines.mean()), abs=1e-5)
    interior = found[1:-1, 1:-1]
    assert np.isfinite(interior).all()
    assert np.abs(interior).max() <= 1 + 1e-5
    assert np.isnan(found).sum() == 64 - 36


def test_weights_over_a_face(metric):
    found = disparity_weights(metric, face(3), 0)
    with torch.no_grad():
        raw = neighbour_disparities(metric.resnet50(face(3))[0], torch.tensor([[6, 4]]))
    assert found.shape == (16, 16)
    assert found[6, 4] == pytest.approx(float(adaptive_weight(raw).mean()), rel=1e-5)
    assert 1 <= np.nanmin(found) <= np.nanmax(found) < 2
    masked = inside_face(found)
    assert np.array_equal(np.isfinite(masked), on_face(16, 16).numpy() & np.isfinite(found))
    assert masked[6, 7] == found[6, 7]


def test_wrong_use_is_refused(metric):
    with pytest.raises(ShapeError, match=r"place \(0, 3\)"):
        correlation_map(metric, face(0), face(0), (0, 3), 0)
    described = describe_patches(metric, face(0))
    with pytest.raises(ShapeError, match="differ in level"):
        described[0].map_from(2, 2, described[1])
    with pytest.raises(ShapeError, match="training mode"):
        describe_patches(initial_metric(SMALL, 0), face(0))


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
        assert torch.allclose(found[u], scores[0][0], atol=TOLERANCE)
