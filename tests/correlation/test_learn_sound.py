from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from studies.moment_retrieval import ClipEmbeddings, relational_distances, score_retrieval

from spfem.correlation.learn_sound import (
    embed_runs,
    initial_encoder,
    initial_joint,
    train_joint,
    train_single,
)
from spfem.correlation.scmcl import pair_loss
from spfem.correlation.sound import BatchDraw, collect_samples, tabulate_frames
from spfem.errors import CheckpointError, CorpusError, SettingsError
from tests.correlation.planted_sound import SMALL, planted_clips

ROLES = {"A": "train", "B": "train", "C": "held_out"}


@pytest.fixture(scope="module")
def material():
    clips, pairs, clocks = planted_clips(("A", "B", "C"))
    table = tabulate_frames(clips, SMALL)
    train, held_out = (
        collect_samples(table, pairs.pairs, ROLES, role) for role in ("train", "held_out")
    )
    return table, train, held_out, pairs.pairs, clocks


def same_weights(first, second, **tolerance):
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, **tolerance)


def recall(model, material, query, target, distances):
    table, _, _, pairs, clocks = material

    def embeddings(pair, modality):
        sides = [
            embed_runs(model, table, modality, table.runs(table.rows(key), 2))
            for key in (pair.source, pair.target)
        ]
        if modality == "audio":
            return ClipEmbeddings(*sides)
        return ClipEmbeddings(*sides, model.scale_layer.w.item(), model.scale_layer.b.item())

    with torch.no_grad():
        scores = score_retrieval(
            [pair for pair in pairs if pair.source.startswith("C")],
            lambda pair: distances(embeddings(pair, query), embeddings(pair, target)),
            clocks,
        )
    return scores.hits[:, 0].mean(), scores.chance.mean()


@pytest.mark.parametrize("modality", ["audio", "expression", "image"])
def test_a_modality_alone_learns_what_is_said(material, modality):
    table, train, held_out, _, _ = material
    settings = replace(SMALL, single_steps=25, curve_steps=25)
    learned = train_single(modality, table, train, held_out, settings, seed=0)
    rows = [row for row in learned.curve if row["split"] == "held_out"]
    assert rows[-1]["loss"] < 0.85 * np.log(SMALL.batch_size)
    assert rows[-1]["positive"] < 0.6 * rows[-1]["negative"]
    assert not learned.model.training


def test_joint_learning_makes_distances_agree_and_moments_found(material):
    table, train, held_out, _, _ = material
    before = initial_joint(SMALL, "expression", 0).eval()
    recalls = {"before": recall(before, material, "audio", "expression", relational_distances)}
    model = initial_joint(
        replace(SMALL, joint_steps=60, curve_steps=30, batch_size=16), "expression", 0
    )
    learned = train_joint(model, table, train, held_out, seed=0)
    rows = [row for row in learned.curve if row["split"] == "held_out"]
    assert rows[-1]["consistency"] < 0.8 * rows[0]["consistency"]
    assert rows[-1]["audio_positive"] < 0.6 * rows[-1]["audio_negative"]
    assert rows[-1]["scale"] != 1.0
    found, chance = recall(model, material, "audio", "expression", relational_distances)
    assert found > recalls["before"][0] + 0.2
    assert found > 5 * chance


def test_the_gate_opens_once_or_as_released_in_every_epoch():
    paper = replace(SMALL, consistency_start=5)
    once, anew = (
        initial_joint(settings, "expression", 0)
        for settings in (paper, replace(paper, compat="gate_per_epoch"))
    )
    assert [once.is_consistent(step, 8) for step in range(10)] == [False] * 5 + [True] * 5
    wanted = [False] * 6 + [True] * 2 + [False] * 6 + [True] * 2
    assert [anew.is_consistent(step, 8) for step in range(16)] == wanted
    assert not any(anew.is_consistent(step, 6) for step in range(30))


def test_accumulated_gradients_are_the_sums_over_all_steps(material):
    table, train, _, _, _ = material
    settings = replace(
        SMALL, single_steps=3, single_learning_rate=1e-3, compat="accumulated_gradients"
    )
    learned = train_single("expression", table, train, None, settings, seed=0).model
    plain = initial_encoder("expression", settings, 0).train()
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3)
    draw = BatchDraw(table, train, settings)
    for step in range(3):
        batch = draw(np.random.default_rng((0, step)))
        expressions = torch.from_numpy(table.signals["expression"])
        rows = np.concatenate([batch.source, batch.target])
        distinct, places = np.unique(rows, return_inverse=True)
        u, v = plain(expressions[distinct, None])[places].chunk(2)
        loss, _ = pair_loss(u, v, mask=batch.mask)
        loss.backward()  # no zero_grad
        optimiser.step()
    same_weights(plain, learned, rtol=1e-3, atol=1e-4)


def test_unknown_modalities_are_refused(material):
    table, train, _, _, _ = material
    with pytest.raises(SettingsError, match="smell"):
        train_single("smell", table, train, None, SMALL, seed=0)
    silent = replace(table, signals={"audio": table.signals["audio"]})
    with pytest.raises(CorpusError, match="expression"):
        train_single("expression", silent, train, None, SMALL, seed=0)
    model = initial_joint(SMALL, "expression", 0)
    with pytest.raises(CheckpointError, match="image"):
        embed_runs(model, table, "image", table.runs(np.arange(3), 2))
