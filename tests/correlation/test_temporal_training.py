from __future__ import annotations

import json
from dataclasses import replace

import pytest

from spfem.correlation import SpatialTemporalCoherence, TemporalCoherence
from spfem.correlation.frames import FrameWindows
from spfem.correlation.learn import CURVE_NAME, TEMPORAL_METRICS, train_temporal
from spfem.run.learned import learn_temporal
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, planted_pairs
from tests.correlation.test_learn import ROLES, corpus  # noqa: F401

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


def test_stage_leaves_a_usable_checkpoint_and_is_reused(corpus, tmp_path):  # noqa: F811
    folder, steps = tmp_path / "stage", []

    def counted(each):
        return (steps.append(step) or step for step in each)

    settings = replace(SETTINGS, steps=2, formulation="cm")
    arguments = ("spatial_temporal_cm", *corpus, ROLES, folder, settings)
    path = learn_temporal(*arguments, seed=0, progress=counted)
    assert SpatialTemporalCoherence.load(path).settings == settings
    assert {row["split"] for row in json.loads((folder / CURVE_NAME).read_text())} == {
        "train",
        "held_out",
    }
    assert learn_temporal(*arguments, seed=0, progress=counted) == path
    assert steps == [0, 1]
    learn_temporal(*arguments, seed=1, progress=counted)
    assert steps == [0, 1] * 2
