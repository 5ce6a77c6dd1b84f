"""Losses: own, perceptual, of the eyes, of retrieved pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spfem.errors import CheckpointError, ShapeError
from spfem.renderer.data import crop_around
from spfem.renderer.learn import RendererSupervision, train_renderer
from spfem.renderer.losses import (
    PairSupervision,
    RetrievedPairs,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    load_perceptual_loss,
    pair_terms,
    pixel_loss,
    renderer_losses,
)
from spfem.renderer.networks import load_renderer, new_renderer, save_renderer
from tests.renderer.planted import SETTINGS, SIDE, planted_clip
from tests.renderer.test_learn import pictures_one_by_one, same


def maps(seed):
    random = torch.Generator().manual_seed(seed)
    shapes = [(2, 3, 5, 5), (2, 4, 4, 4), (2, 5, 3, 3), (2, 6, 4, 4), (2, 1, 5, 5)]
    return [[torch.randn(shape, generator=random) for shape in shapes] for _ in range(2)]


def test_adversarial_losses_are_those_of_their_formulas():
    scores = [scale[-1].numpy() for scale in maps(0)]
    expected = {
        ("ls", True): sum(np.mean((score - 1) ** 2) for score in scores),
        ("ls", False): sum(np.mean(score**2) for score in scores),
        ("hinge", True): sum(np.mean(np.maximum(1 - score, 0)) for score in scores),
        ("hinge", False): sum(np.mean(np.maximum(1 + score, 0)) for score in scores),
    }
    for (mode, real), value in expected.items():
        assert float(discriminator_loss(maps(0), real=real, mode=mode)) == pytest.approx(value)
    assert float(adversarial_loss(maps(0), mode="hinge")) == pytest.approx(
        -sum(map(np.mean, scores))
    )
    assert float(adversarial_loss(maps(0))) == pytest.approx(expected["ls", True])


def test_feature_loss_is_half_the_sum_of_mean_differences_without_the_score():
    own, other = maps(0), maps(1)
    expected = 0.5 * sum(
        float((a - b).abs().mean())
        for one, two in zip(own, other, strict=True)
        for a, b in zip(one[:4], two[:4], strict=True)
    )
    assert float(feature_loss(own, other)) == pytest.approx(expected, rel=1e-6)
    assert float(feature_loss(own, own)) == 0


WITH_EYES = replace(SETTINGS, eye_discriminator=True)


def test_objective_shares_a_graph_but_each_side_has_its_own_gradient():
    """Terms of face, mouth and eyes are those of their crops, one picture after the other."""
    renderer = new_renderer(WITH_EYES, 0)
    channels = WITH_EYES.condition_channels
    conditions, real, generated = (torch.rand(2, count, SIDE, SIDE) for count in (channels, 3, 3))
    generated.requires_grad_()
    mouths, eyes = torch.full((2, 2), 16.0), torch.tensor([[16.0, 10.0], [9.0, 8.0]])
    ours, theirs = renderer_losses(renderer, conditions, generated, real, mouths, eye_centres=eyes)
    wanted = {}
    for place, centres, size in (
        ("image", mouths, SIDE),
        ("mouth", mouths, WITH_EYES.mouth_size),
        ("eye", eyes, WITH_EYES.mouth_size),
    ):
        network = renderer.networks()[f"{place}_discriminator"]
        told, own, other = (
            crop_around(images, centres, size) for images in (conditions, generated, real)
        )
        fake, true = network(told, own), network(told, other)
        wanted |= {
            f"{place}_adversarial": WITH_EYES.adversarial_weight * adversarial_loss(fake),
            f"{place}_feature": WITH_EYES.feature_weight * feature_loss(fake, true),
            f"{place}_pixel": WITH_EYES.pixel_weight * pixel_loss(own, other, told[:, -1:]),
        }
        fake = discriminator_loss(network(told, own.detach()), real=False)
        expected = 0.5 * (fake + discriminator_loss(true, real=True))
        parameters = list(network.parameters())
        shared, alone = (
            torch.autograd.grad(loss, parameters, retain_graph=True)
            for loss in (theirs[f"{place}_discriminator"], expected)
        )
        torch.testing.assert_close(theirs[f"{place}_discriminator"], expected)
        for one, two in zip(shared, alone, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ours, wanted)
    slopes = [torch.autograd.grad(sum(side.values()), generated)[0] for side in (ours, wanted)]
    assert slopes[0].abs().sum() > 0
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-6)
    with pytest.raises(ShapeError, match="eye_centres"):
        renderer_losses(renderer, conditions, generated, real, mouths)


def test_the_discriminator_of_the_eyes_learns_and_is_kept(tmp_path):
    centres = np.tile([SIDE / 2, 0.3 * SIDE], (8, 1)).astype(np.float32)
    clips = [replace(planted_clip(seed, 8), eye_centres=centres) for seed in range(2)]
    whole = train_renderer(clips, WITH_EYES, seed=0, steps=4)
    untrained = new_renderer(WITH_EYES, 0).eye_discriminator
    for one, two in zip(whole.eye_discriminator.parameters(), untrained.parameters(), strict=True):
        assert not torch.equal(one, two)
    save_renderer(whole, tmp_path / "renderer.safetensors")
    assert same(whole, load_renderer(tmp_path / "renderer.safetensors"))


PLAN = (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4)


@pytest.fixture(scope="module")
def vgg():
    """Features of VGG19 as torchvision numbers them, written anew."""
    torch.manual_seed(0)
    layers, channels = [], 3
    for width in PLAN:
        if width:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


@pytest.fixture
def state(vgg):
    state = {f"features.{name}": value for name, value in vgg.state_dict().items()}
    return state | {"classifier.0.weight": torch.zeros(4)}


def test_perceptual_loss_is_a_slow_one_over_the_five_layers(tmp_path, vgg, state):
    torch.save(state, tmp_path / "vgg19-dcbb9e9d.pth")
    loss = load_perceptual_loss(tmp_path / "vgg19-dcbb9e9d.pth")
    one, two = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    expected = torch.zeros(())
    for last, weight in zip((1, 6, 11, 20, 29), (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), strict=True):
        features = vgg[: last + 1]
        with torch.no_grad():
            expected += weight * functional.l1_loss(features(one), features(two))
    torch.testing.assert_close(loss(one, two), expected)
    assert not any(parameter.requires_grad for parameter in loss.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("features.28.bias"), r"lacks 1 entries \(vgg.slice5.28.bias\)"),
        (lambda s: s.update({"features.1.bias": torch.ones(1)}), r"surplus .*features.1.bias"),
        (lambda s: s.update({"features.0.bias": torch.ones(3)}), r"\(3,\) instead of \(64,\)"),
    ],
)
def test_other_networks_are_refused(tmp_path, state, change, message):
    change(state)
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=message):
        load_perceptual_loss(tmp_path / "vgg.pth")


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


@pytest.mark.parametrize(("weights", "name"), [((1, 0), "paired"), ((0, 1), "consistency")])
def test_the_gradient_reaches_the_generator_through_each_term(weights, name):
    renderer = new_renderer(SETTINGS, 0)
    supervision = PairSupervision(planted_pairs(), *weights, brightness)
    terms = pair_terms(renderer, supervision, np.array([0, 3]), "cpu")
    assert list(terms) == [name]
    terms[name].backward()
    assert any(p.grad is not None and p.grad.any() for p in renderer.generator.parameters())


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
