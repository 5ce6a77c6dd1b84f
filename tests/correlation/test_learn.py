from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from studies.moment_similarity import list_comparisons, score_similarity

from spfem.correlation import SpatialTemporalCoherence, TemporalCoherence
from spfem.correlation.frames import FrameWindows
from spfem.correlation.learn import (
    TEMPORAL_METRICS,
    train_spatial,
    train_temporal,
    untrained_metric,
)
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, planted_pairs
from tests.correlation.sharing import LEARNING, learn_all


@pytest.fixture(scope="module")
def splits():
    train, _ = planted_pairs((0, 1, 2))
    held_out, visemes = planted_pairs((7,))
    return train, held_out, visemes


@pytest.mark.slow
def test_learning_raises_matched_and_lowers_mismatched_on_an_unseen_actor(splits):
    train, held_out, visemes = splits
    settings = replace(
        SMALL,
        image_size=24,
        widths=(24, 32),
        batch_size=4,
        learning_rate=3e-3,
        steps=120,
        curve_steps=60,
    )
    learned = train_spatial(train, held_out, settings, seed=0)
    comparisons = list_comparisons(held_out, visemes, 20, seed=0)
    before, after = (
        score_similarity(model, held_out, comparisons)
        for model in (untrained_metric(train, settings, seed=0), learned.model)
    )
    assert after.matched.mean() > before.matched.mean() + 0.2
    assert after.mismatched_place.mean() < before.mismatched_place.mean() - 0.05
    assert not learned.model.training
    assert {row["split"] for row in learned.curve} == {"train", "held_out"}
    rows = [row for row in learned.curve if row["split"] == "train"]
    assert [row["step"] for row in rows] == [60, 120]
    assert rows[-1]["loss"] < rows[0]["loss"]


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


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharing")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.correlation.sharing", str(rank), "2", str(folder)],
            cwd=Path(__file__).parents[2],
        )
        for rank in range(2)
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def alone():
    """What this process learns on whole batches."""
    return learn_all()


ONE_STEP = [name for name, steps in LEARNING.items() if steps == 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rounded", *LEARNING])
def test_both_processes_end_with_the_very_same_weights(shared, name):
    first, second = (each[name] for each in shared)
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_STEP)
def test_gradients_of_shares_are_those_of_the_whole_batch(shared, alone, name):
    gradients = {key: value for key, value in alone[name].items() if key.startswith("gradient")}
    largest = max(value.abs().max() for value in gradients.values())
    assert largest > 0.1
    for key, value in gradients.items():
        assert (shared[0][name][key] - value).abs().max() < 1e-11 * largest, key


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_weights_statistics_and_curve_are_those_of_one_process(shared, alone, name):
    assert shared[0][name].keys() == alone[name].keys()
    for key, value in alone[name].items():
        if not key.startswith("gradient"):
            torch.testing.assert_close(shared[0][name][key], value, rtol=1e-6, atol=1e-8, msg=key)
