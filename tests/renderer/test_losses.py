from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.renderer.data import crop_around
from spfem.renderer.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    renderer_losses,
)
from spfem.renderer.networks import new_renderer
from tests.renderer.planted import PLAIN


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


def test_objective_shares_a_graph_but_each_side_has_its_own_gradient():
    renderer = new_renderer(PLAIN, 0)
    conditions, real = torch.rand(2, 10, 32, 32), torch.rand(2, 3, 32, 32)
    generated = torch.rand(2, 3, 32, 32, requires_grad=True)
    centres = torch.full((2, 2), 16.0)
    ours, theirs = renderer_losses(renderer, conditions, generated, real, centres)
    places, terms = ("image", "mouth"), ("adversarial", "feature", "pixel")
    assert set(ours) == {f"{place}_{term}" for place in places for term in terms}
    (gradient,) = torch.autograd.grad(sum(ours.values()), generated, retain_graph=True)
    assert gradient.abs().sum() > 0
    for place, network, size in (
        ("image", renderer.image_discriminator, 32),
        ("mouth", renderer.mouth_discriminator, PLAIN.mouth_size),
    ):
        seen, fake, true = (
            crop_around(images, centres, size) for images in (conditions, generated.detach(), real)
        )
        expected = 0.5 * (
            discriminator_loss(network(seen, true), real=True)
            + discriminator_loss(network(seen, fake), real=False)
        )
        parameters = list(network.parameters())
        shared = torch.autograd.grad(
            theirs[f"{place}_discriminator"], parameters, retain_graph=True
        )
        for one, two in zip(shared, torch.autograd.grad(expected, parameters), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
