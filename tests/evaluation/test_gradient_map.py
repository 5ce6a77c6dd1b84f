from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from studies.probes import gradient_maps, measure_gradient_shares

from spfem.correlation.frames import ClipPair, FramePairs
from spfem.correlation.similarity import Comparison
from spfem.errors import ShapeError
from spfem.face.landmarks import OUTER_LIPS
from spfem.settings import EvaluationSettings

SIDE, LENGTH = 20, 3
QUICK = EvaluationSettings(resamples=20)


@pytest.fixture
def track():
    """Lips from (4, 8) to (8, 10) in pixels of a frame that is shifted by 2 and enlarged by 2."""
    landmarks = np.zeros((LENGTH, 478, 3), np.float32)
    x, y = np.meshgrid(np.linspace(4, 8, 5), np.linspace(8, 10, 4))
    landmarks[:, list(OUTER_LIPS), :2] = np.stack([x.ravel(), y.ravel()], 1)
    align = np.tile(np.float32([[2, 0, -2], [0, 2, -2]]), (LENGTH, 1, 1))
    faces = np.random.default_rng(0).integers(0, 255, (LENGTH, SIDE, SIDE, 3)).astype(np.uint8)
    return SimpleNamespace(landmarks=landmarks, align=align, faces=faces)


def test_maps_are_those_of_the_loss_and_sum_to_one(track):
    weights = np.zeros((SIDE, SIDE), np.float32)
    weights[3, 4], weights[5, 6] = 3.0, -1.0

    def loss(generated, source):
        return (generated * generated.new_tensor(weights)).sum() + source.sum()

    maps = gradient_maps(loss, track.faces, track.faces, draws=2)
    assert maps.sum(axis=(1, 2)) == pytest.approx(np.ones(LENGTH))
    assert maps[0, 3, 4] == pytest.approx(0.75)
    assert maps[0, 5, 6] == pytest.approx(0.25)
    with pytest.raises(ShapeError, match="no gradient"):
        gradient_maps(lambda a, b: b.clone().requires_grad_().sum(), track.faces, track.faces)


def test_share_is_one_for_a_loss_of_the_mouth_and_the_area_for_a_loss_of_everything(track):
    faces = {"A/neutral/1/1": track, "A/happy/3/1": track}
    path = np.stack([np.arange(LENGTH)] * 2, axis=1)
    frames = FramePairs(
        dict.fromkeys(faces, track.faces), (ClipPair("A/neutral/1/1", "A/happy/3/1", path),)
    )
    losses = {
        "mouth": lambda generated, source: generated[:, :, 13:19, 4:16].sum(),
        "everything": lambda generated, source: generated.sum(),
    }
    rows = [Comparison(0, 0, 1, 2), Comparison(0, 2, 1, 0)]
    table, maps = measure_gradient_shares(faces, frames, rows, losses, QUICK)
    table = table.set_index("metric")
    assert table.loc["mouth", "share"] == pytest.approx(1)
    assert table.loc["everything", "share"] == pytest.approx(6 * 12 / SIDE**2)
    assert table.loc["everything", "area"] == pytest.approx(6 * 12 / SIDE**2)
    assert maps["mouth"].shape == (SIDE, SIDE)
    assert table.loc["mouth", "moments"] == 2
