"""A metric with some levels or neighbours only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from studies.ablation_pictures import initial_partial_metric, learn_partial
from studies.ablation_variants import CROSS

from spfem.correlation.asccl import NEIGHBOUR_OFFSETS
from spfem.correlation.images import images_from_frames
from spfem.correlation.learn import train_spatial
from tests.correlation.planted import SMALL, planted_pairs

SETTINGS = replace(SMALL, image_size=24, batch_size=4, steps=3)


@pytest.fixture(scope="module")
def frames():
    return planted_pairs((0, 1))[0]


@pytest.fixture(scope="module")
def images(frames):
    drawn = frames.draw(2, np.random.default_rng(0))
    return [images_from_frames(side) for side in drawn]


def compared(metric, images):
    return metric.compare(*images, generator=torch.Generator().manual_seed(3))


def test_with_everything_it_learns_what_the_metric_learns(frames):
    ours = learn_partial(initial_partial_metric(SETTINGS, 1), frames, seed=1)
    theirs = train_spatial(frames, None, SETTINGS, seed=1).model
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_fewer_neighbours_are_fewer_rows_and_fewer_negatives(images):
    metric = initial_partial_metric(SETTINGS, 0, neighbours=CROSS)
    levels = compared(metric, images)
    wanted = 0.0
    for level in levels:
        losses = []
        for query, key, weight in zip(level.query, level.key, level.weight, strict=True):
            rows = [
                8 * place + n
                for place in range(query.shape[1] // 8)
                for n, (down, right) in enumerate(NEIGHBOUR_OFFSETS)
                if abs(down) + abs(right) == 1
            ]
            logits = query[:, rows].T @ key[:, rows] / SETTINGS.temperature
            losses_of_rows = functional.cross_entropy(
                logits, torch.arange(len(rows)), reduction="none"
            )
            losses.append((weight[rows] * losses_of_rows).sum() / weight[rows].sum())
        wanted += torch.stack(losses).mean().item()
    assert metric.total(levels).item() == pytest.approx(SETTINGS.scale * wanted, rel=1e-5)
    assert wanted < sum(level.loss.item() for level in levels)  # half the negatives are gone


def test_a_level_alone_gives_its_loss_and_leaves_deeper_levels_as_they_were(frames, images):
    metric = initial_partial_metric(SETTINGS, 0, levels=(0,))
    levels = compared(metric, images)
    assert torch.equal(metric.total(levels), SETTINGS.scale * levels[0].loss)
    before = {name: value.clone() for name, value in metric.named_parameters()}
    learn_partial(metric, frames, seed=0)
    moved = {
        name for name, value in metric.named_parameters() if not torch.equal(value, before[name])
    }
    assert any(name.startswith("resnet50.layer1") for name in moved)
    assert not any(name.startswith("resnet50.layer2") for name in moved)
