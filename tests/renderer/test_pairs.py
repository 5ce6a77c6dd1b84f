from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.renderer.data import crop_around
from spfem.renderer.learn import (
    PairSupervision,
    RendererSupervision,
    RetrievedPairs,
    pair_terms,
    train_renderer,
)
from spfem.renderer.networks import new_renderer
from tests.renderer.planted import SETTINGS, planted_clip
from tests.renderer.test_supervision import pictures_one_by_one

COUNT, FRAMES, LEAD = 5, 2, 2


def planted_pairs(count=COUNT):
    """Runs of clips of which the renderer is told that the mouth bends."""
    clips = [planted_clip(seed, FRAMES + LEAD, smile=0.5) for seed in range(COUNT)]
    labels = np.arange(COUNT)
    whole = RetrievedPairs(
        conditions=np.stack([clip.edited_conditions for clip in clips]),
        faces=np.stack([clip.faces[LEAD:] for clip in clips]),
        mouth_centres=np.stack([clip.mouth_centres[LEAD:] for clip in clips]),
        references=np.stack([clip.faces[:FRAMES] for clip in clips]),
        distance=np.linspace(0, 2, COUNT, dtype=np.float32),
        first_distance=np.array([0, 0, 0.5, 0, 1], np.float32),
        source_label=labels,
        target_label=labels + 1,
    )
    return RetrievedPairs(*(getattr(whole, name)[:count] for name in whole.__dataclass_fields__))


def brightness(pictures, rows):
    """Stands for the metric: how far the mean of each picture is from its row's number."""
    return (pictures.mean((1, 2, 3, 4)) - rows / 10).abs().mean()


def slow_reconstruction(renderer, pairs, row, made, real, perceptual):
    """Reconstruction of one pair by its definition, frame by frame."""
    if perceptual is not None:
        return perceptual(made, real)
    settings, total = renderer.settings, 0.0
    conditions = torch.from_numpy(pairs.conditions[row]).movedim(-1, -3).float() / 255
    for frame in range(FRAMES):
        seen, centre = conditions[[LEAD + frame]], torch.from_numpy(pairs.mouth_centres[row])
        images = [seen, made[[frame]], real[[frame]]]
        crops = [crop_around(i, centre[[frame]], settings.mouth_size) for i in images]
        for network, (told, own, other) in (
            (renderer.image_discriminator, images),
            (renderer.mouth_discriminator, crops),
        ):
            maps = zip(network(told, own), network(told, other), strict=True)
            features = sum(
                (one - two).abs().mean()
                for a, b in maps
                for one, two in list(zip(a, b, strict=True))[:-1]
            )
            mask = told[:, -1:]
            pixels = ((own - other).abs() * mask).sum() / (3 * mask.sum())
            total += settings.feature_weight * features / 2 + settings.pixel_weight * pixels
    return total / FRAMES


@pytest.mark.parametrize("perceptual", [None, lambda a, b: ((a - b) ** 2).mean()])
def test_both_terms_are_those_of_a_slow_loop(perceptual):
    renderer, pairs = new_renderer(SETTINGS, 0), planted_pairs()
    # One mask for all, so that a mean over masks is a mean over pairs.
    assert (pairs.conditions[..., -1] == pairs.conditions[0, 0, ..., -1]).all()
    supervision = PairSupervision(pairs, 0.7, 0.3, brightness)
    rows = np.array([1, 2, 4])
    terms = pair_terms(renderer, supervision, rows, "cpu", perceptual)
    made = pictures_one_by_one(renderer, pairs.conditions[rows])
    faces = torch.from_numpy(pairs.faces[rows]).movedim(-1, -3) / 127.5 - 1
    inside = torch.from_numpy(pairs.conditions[rows][:, LEAD:, None, ..., -1] == 255)
    paired = 0.0
    for number, row in enumerate(rows):
        distance = pairs.distance[row] + pairs.first_distance[row]
        real = torch.where(inside[number], faces[number], -1.0)
        paired += slow_reconstruction(renderer, pairs, row, made[number], real, perceptual) / (
            1 + distance / 2
        )
    assert float(terms["paired"].detach()) == pytest.approx(
        0.7 * float(paired.detach()) / 3, rel=1e-4
    )
    placed = torch.where(inside, made, faces)
    expected = 0.3 * brightness(placed, torch.from_numpy(rows))
    assert float(terms["consistency"].detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


def test_the_gradient_reaches_the_generator_through_each_term():
    renderer = new_renderer(SETTINGS, 0)
    rows = np.array([0, 3])
    for weights, name in (((1.0, 0.0), "paired"), ((0.0, 1.0), "consistency")):
        terms = pair_terms(
            renderer, PairSupervision(planted_pairs(), *weights, brightness), rows, "cpu"
        )
        assert list(terms) == [name]
        parameters = list(renderer.generator.parameters())
        gradients = torch.autograd.grad(terms[name], parameters, allow_unused=True)
        assert any(g is not None and g.abs().sum() > 0 for g in gradients)


def test_draws_are_different_pairs_and_no_pair_gives_no_term():
    supervision = PairSupervision(planted_pairs(), 1.0, 1.0, brightness)
    drawn = [supervision.draw(np.random.default_rng(seed)) for seed in range(20)]
    assert all(len(set(rows)) == 4 for rows in drawn)
    assert set(np.concatenate(drawn)) == set(range(COUNT))
    assert len(replace(supervision, pairs=planted_pairs(2)).draw(np.random.default_rng(0))) == 2
    empty = replace(supervision, pairs=planted_pairs(0))
    rows = empty.draw(np.random.default_rng(0))
    assert pair_terms(new_renderer(SETTINGS, 0), empty, rows, "cpu") == {}
    clips = [planted_clip(9, 8)]
    made = train_renderer(
        clips, SETTINGS, seed=0, steps=1, supervision=RendererSupervision(pairs=empty)
    )
    assert not {"paired", "consistency"} & set(made.curve[0])
