from __future__ import annotations

from dataclasses import replace

import pytest

from spfem.correlation import SpatialTemporalCoherence, TemporalCoherence
from spfem.correlation.frames import FrameWindows
from spfem.correlation.learn import TEMPORAL_METRICS, train_temporal
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, planted_pairs

SPATIAL = replace(SMALL, image_size=24)
SETTINGS = TemporalSettings(
    spatial=SPATIAL,
    places=(32, 12),
    window_frames=3,
    batch_size=2,
    steps=7,
    curve_steps=3,
    decay_share=0.5,
)


@pytest.fixture(scope="module")
def windows():
    return [FrameWindows(planted_pairs(actors)[0], 3) for actors in ((0, 1), (7,))]


@pytest.mark.parametrize("name", TEMPORAL_METRICS)
def test_each_metric_learns(windows, name):
    learned = train_temporal(name, *windows, SETTINGS, seed=1)
    assert [row["step"] for row in learned.curve] == [3, 3, 6, 6, 7, 7]
    assert {row["split"] for row in learned.curve} == {"train", "held_out"}
    joint = name.startswith("spatial")
    assert ("spatial_matched" in learned.curve[0]) == joint
    assert not learned.model.training
    assert type(learned.model) is (SpatialTemporalCoherence if joint else TemporalCoherence)
    assert learned.model.settings.formulation == name[-2:]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["temporal_vd", "spatial_temporal_cm"])
def test_learning_separates_places_on_an_unseen_actor(windows, name):
    train, held_out = windows
    settings = replace(
        SETTINGS, batch_size=4, steps=120, curve_steps=40, learning_rate=3e-3, decay_share=0.3
    )
    curve = train_temporal(name, train, held_out, settings, seed=0).curve
    seen, unseen = ([r for r in curve if r["split"] == split] for split in ("train", "held_out"))
    assert seen[-1]["loss"] < seen[0]["loss"] - 0.1
    assert unseen[-1]["loss"] < unseen[0]["loss"]
    assert unseen[-1]["matched"] - unseen[-1]["mismatched_place"] > 0.1
