from __future__ import annotations

from dataclasses import replace

import pytest

from spfem.correlation.learn import train_spatial, untrained_metric
from spfem.correlation.similarity import list_comparisons, score_similarity
from tests.correlation.planted import SMALL, planted_pairs


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
