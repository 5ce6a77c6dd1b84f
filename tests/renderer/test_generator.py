from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.renderer.networks import FaceGenerator
from spfem.settings import RendererSettings
from tests.renderer.planted import PLAIN, SETTINGS


def windows(settings, batch=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    side, channels = settings.image_size, settings.condition_channels
    images = torch.rand(batch, 3, channels, side, side, generator=random)
    images[:, :, -1] = images[:, :, -1].round()
    return images


def pictures(settings, batch=3):
    return torch.rand(batch, 2, 3, settings.image_size, settings.image_size) * 2 - 1


def test_paper_size_has_the_published_parameter_count():
    with torch.device("meta"):
        generator = FaceGenerator(RendererSettings())
    assert sum(parameter.numel() for parameter in generator.parameters()) == 70_834_755


@pytest.mark.parametrize("settings", [SETTINGS, PLAIN])
def test_outside_the_mask_is_exactly_black(settings):
    images = windows(settings)
    with torch.inference_mode():
        out = FaceGenerator(settings)(images, pictures(settings))
    outside = (images[:, -1, -1:] == 0).expand_as(out)
    assert outside.any()
    assert (out[outside] == -1).all()
    assert out.abs().max() <= 1


@pytest.mark.parametrize("settings", [SETTINGS, PLAIN])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_zero_previous_pictures_add_exactly_nothing_sample_by_sample(settings, precision):
    generator = FaceGenerator(settings).to(precision)
    images, previous = windows(settings).to(precision), pictures(settings).to(precision)
    previous[1] = 0
    with torch.inference_mode():
        out = generator(images, previous)
        alone = generator(images[1:2])
        others = generator(images[[0, 2]], previous[[0, 2]])
    assert out.dtype == precision
    torch.testing.assert_close(out[1:2], alone)
    torch.testing.assert_close(out[[0, 2]], others)


def test_gradients_reach_conditions_previous_pictures_and_all_weights():
    generator = FaceGenerator(PLAIN).double()
    images = windows(PLAIN).double().requires_grad_()
    previous = pictures(PLAIN).double().requires_grad_()
    generator(images, previous).square().sum().backward()
    assert images.grad[:, :, :9].abs().sum() > 0
    assert previous.grad.abs().sum() > 0
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name


@limits(max_examples=10, deadline=None)
@given(
    fold=st.sampled_from([1, 2]),
    downsamplings=st.integers(0, 2),
    blocks=st.integers(0, 3),
    kernel=st.sampled_from([3, 5, 7]),
)
def test_every_size_keeps_the_picture_size(fold, downsamplings, blocks, kernel):
    settings = replace(
        PLAIN, width=2, fold=fold, downsamplings=downsamplings, blocks=blocks, kernel=kernel
    )
    with torch.inference_mode():
        assert FaceGenerator(settings)(windows(settings)).shape == (3, 3, 32, 32)


def test_refuses_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="multiple of 8"):
        FaceGenerator(replace(PLAIN, image_size=36, downsamplings=3))
    with pytest.raises(ShapeError, match="use_texture"):
        FaceGenerator(replace(PLAIN, texture_residual=True))
    with pytest.raises(ShapeError, match="needs"):
        FaceGenerator(PLAIN)(windows(SETTINGS))
