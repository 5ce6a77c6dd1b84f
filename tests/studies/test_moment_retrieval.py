"""Moments found again: recall, and what a bank holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from studies.moment_retrieval import (
    ClipEmbeddings,
    RetrievalScores,
    describe_bank,
    direct_distances,
    relational_distances,
    retrieval_row,
    score_retrieval,
)

from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.retrieval import make_bank
from spfem.correlation.sound import tabulate_frames
from spfem.errors import ShapeError
from spfem.settings import EvaluationSettings
from spfem.statistics import cluster_bootstrap
from tests.correlation.planted_sound import SMALL, PlantedPair, planted_clips

PAIR = PlantedPair("A/neutral/1", "A/happy/1", np.zeros((1, 2), int))
CLOCKS = {
    # silence to 0, four phonemes, silence from 4 on; the other clip is half as fast
    "A/neutral/1": np.array([-1, -0.5, 0.5, 1.5, 2.5, 3.5, 4.2, 4.6]),
    "A/happy/1": np.array([-1, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.2, 4.6]),
}


def test_chance_is_what_random_distances_reach():
    random = np.random.default_rng(0)
    clock = np.concatenate([[-1], np.arange(0, 30, 0.5), [30]])
    clocks = dict.fromkeys(CLOCKS, clock)
    hits, chance = [], []
    for _ in range(60):
        table = random.normal(size=(len(clock), len(clock)))
        scores = score_retrieval([PAIR], lambda pair, table=table: table, clocks)
        hits.append(scores.hits[:, 0].mean())
        chance.append(scores.chance.mean())
    assert np.mean(hits) == pytest.approx(np.mean(chance), abs=0.012)


def test_spaces_that_differ_by_a_motion_and_a_scale_are_related_but_not_equal():
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(20, 8, generator=generator)
    rotation, _ = torch.linalg.qr(torch.randn(8, 8, generator=generator))
    other = ClipEmbeddings(*((points @ rotation + 2) / 3 for points in (source, source)), 3.0)
    audio = ClipEmbeddings(source, source)
    relational = relational_distances(audio, other)
    assert relational.argmin(axis=1).tolist() == list(range(20))
    assert np.diag(relational).max() < 1e-4
    direct = direct_distances(audio, other)
    assert (direct.argmin(axis=1) == np.arange(20)).mean() < 0.5
    shifted = relational_distances(audio, ClipEmbeddings(other.source, other.target, 3.0, 0.5))
    np.testing.assert_allclose(np.diag(shifted), 0.5, atol=1e-4)
    with pytest.raises(ShapeError, match="20 and 19"):
        relational_distances(audio, ClipEmbeddings(source[:19], source))


def test_a_row_is_the_mean_over_seeds_with_an_interval():
    clusters = np.array([["A", "1"]] * 3 + [["A", "2"]] * 3)
    seeds = [
        RetrievalScores(np.array([[a, True]] * 3 + [[b, False]] * 3), np.full(6, 0.1), clusters)
        for a, b in ((True, True), (True, False))
    ]
    settings = EvaluationSettings(resamples=50, confidence=0.9)
    row = retrieval_row(
        seeds,
        settings,
        query="audio",
        target="image",
        state="after",
        split="held_out",
    )
    found = "recall_at_1 recall_at_5 chance_at_1 ci_low ci_high seeds"
    assert list(row) == ["query", "target", "state", "split", *found.split()]
    assert (row["recall_at_1"], row["recall_at_5"], row["seeds"]) == (0.75, 0.5, 2)
    plain = cluster_bootstrap(
        np.stack([each.hits[:, 0] for each in seeds], axis=1),
        clusters,
        resamples=50,
        confidence=0.9,
        seed=0,
    )
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((plain.low, plain.high))
    assert row["ci_low"] < row["ci_high"]
    with pytest.raises(ShapeError, match="same queries"):
        retrieval_row(
            [seeds[0], RetrievalScores(seeds[0].hits, seeds[0].chance, clusters[::-1])], settings
        )


def test_a_window_finds_itself_in_its_own_emotion():
    clips, _, _ = planted_clips(("A", "B"))
    metric = initial_joint(SMALL, "expression", 0)
    bank = make_bank(metric, tabulate_frames(clips, SMALL), "A", 5, "digest")
    table = describe_bank(bank, "A", ("neutral", "happy")).set_index("target_emotion")
    assert (table.actor == "A").all()
    assert table.windows["neutral"] == table.windows["happy"] > 0
    assert (table.with_candidate <= 1).all()
    assert (table.candidates_a_window >= table.with_candidate).all()
    assert table.median_distance["neutral"] <= SMALL.threshold
