from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.correlation import images_from_frames
from spfem.correlation.asccl import adaptive_weight, neighbour_disparities
from spfem.correlation.learn import initial_metric, untrained_metric
from spfem.correlation.maps import correlation_map, describe_patches, disparity_weights
from spfem.errors import ShapeError
from tests.correlation.planted import SMALL, draw_face, planted_pairs


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


def test_wrong_use_is_refused(metric):
    with pytest.raises(ShapeError, match=r"place \(0, 3\)"):
        correlation_map(metric, face(0), face(0), (0, 3), 0)
    described = describe_patches(metric, face(0))
    with pytest.raises(ShapeError, match="differ in level"):
        described[0].map_from(2, 2, described[1])
    with pytest.raises(ShapeError, match="training mode"):
        describe_patches(initial_metric(SMALL, 0), face(0))
