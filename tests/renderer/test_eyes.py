"""The discriminator of the eyes, which the settings switch on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.errors import ShapeError
from spfem.renderer.data import crop_around
from spfem.renderer.learn import train_renderer
from spfem.renderer.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    pixel_loss,
    renderer_losses,
)
from spfem.renderer.networks import load_renderer, new_renderer, save_renderer
from tests.renderer.planted import SETTINGS, SIDE, planted_clip
from tests.renderer.test_training import same

WITH_EYES = replace(SETTINGS, eye_discriminator=True)


@pytest.fixture(scope="module")
def clips():
    planted = [planted_clip(seed, 8) for seed in range(2)]
    centres = np.tile([SIDE / 2, 0.3 * SIDE], (8, 1)).astype(np.float32)
    return [replace(clip, eye_centres=centres) for clip in planted]


def test_its_terms_are_those_of_its_crop():
    renderer = new_renderer(WITH_EYES, 0)
    channels = WITH_EYES.condition_channels
    conditions, real, generated = (torch.rand(2, count, SIDE, SIDE) for count in (channels, 3, 3))
    mouths, eyes = torch.full((2, 2), 16.0), torch.tensor([[16.0, 10.0], [9.0, 8.0]])
    ours, theirs = renderer_losses(renderer, conditions, generated, real, mouths, eye_centres=eyes)
    told, own, other = (
        crop_around(images, eyes, WITH_EYES.mouth_size) for images in (conditions, generated, real)
    )
    network = renderer.eye_discriminator
    own_maps, real_maps = network(told, own), network(told, other)
    fake, true = (
        discriminator_loss(maps, real=is_real)
        for maps, is_real in ((own_maps, False), (real_maps, True))
    )
    expected = {
        "eye_adversarial": WITH_EYES.adversarial_weight * adversarial_loss(own_maps),
        "eye_feature": WITH_EYES.feature_weight * feature_loss(own_maps, real_maps),
        "eye_pixel": WITH_EYES.pixel_weight * pixel_loss(own, other, told[:, -1:]),
        "eye_discriminator": 0.5 * (fake + true),
    }
    for name, value in expected.items():
        torch.testing.assert_close({**ours, **theirs}[name], value)
    with pytest.raises(ShapeError, match="eye_centres"):
        renderer_losses(renderer, conditions, generated, real, mouths)


def test_it_learns_and_is_kept(clips, tmp_path):
    whole = train_renderer(clips, WITH_EYES, seed=0, steps=4)
    untrained = new_renderer(WITH_EYES, 0).eye_discriminator
    for one, two in zip(whole.eye_discriminator.parameters(), untrained.parameters(), strict=True):
        assert not torch.equal(one, two)
    save_renderer(whole, tmp_path / "renderer.safetensors")
    assert same(whole, load_renderer(tmp_path / "renderer.safetensors"))
