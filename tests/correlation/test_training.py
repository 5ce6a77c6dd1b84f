from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.correlation.similarity import list_comparisons, score_similarity
from spfem.correlation.training import remaining_rate, train_spatial
from spfem.correlation.training_state import STATE_NAME
from spfem.correlation.untrained import untrained_metric
from spfem.errors import SpfemError
from tests.correlation.planted import SMALL, planted_pairs


@pytest.fixture(scope="module")
def splits():
    train, _ = planted_pairs((0, 1, 2))
    held_out, visemes = planted_pairs((7,))
    return train, held_out, visemes


class KilledError(Exception):
    pass


def killed_after(count):
    def wrap(steps):
        for number, step in enumerate(steps):
            if number == count:
                raise KilledError
            yield step

    return wrap


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


def test_a_killed_run_continues_to_the_same_weights(splits, tmp_path):
    train, held_out, _ = splits
    settings = replace(SMALL, steps=9, checkpoint_steps=4, curve_steps=3, decay_share=0.5)
    whole = train_spatial(train, held_out, settings, seed=1)
    with pytest.raises(KilledError):
        train_spatial(train, held_out, settings, seed=1, folder=tmp_path, progress=killed_after(6))
    assert (tmp_path / STATE_NAME).exists()
    steps = []
    resumed = train_spatial(
        train,
        held_out,
        settings,
        seed=1,
        folder=tmp_path,
        progress=lambda each: (steps.append(step) or step for step in each),
    )
    assert steps == [4, 5, 6, 7, 8]
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    assert [row["step"] for row in resumed.curve] == [row["step"] for row in whole.curve]


def test_the_rate_is_constant_then_falls_to_zero():
    constant, decaying = (replace(SMALL, steps=10, decay_share=share) for share in (0.0, 0.4))
    assert [remaining_rate(step, constant) for step in range(10)] == [1.0] * 10
    rates = [remaining_rate(step, decaying) for step in range(11)]
    assert rates == pytest.approx([1.0] * 7 + [0.75, 0.5, 0.25, 0.0])


def test_a_loss_that_is_not_finite_stops_learning(splits):
    train, _, _ = splits
    with pytest.raises(SpfemError, match="not finite"):
        train_spatial(
            train, None, replace(SMALL, learning_rate=1e30, steps=10, curve_steps=10), seed=0
        )
