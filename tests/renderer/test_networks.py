"""Generator, discriminators, and their file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint
from spfem.errors import CheckpointError, ShapeError
from spfem.renderer.networks import (
    FaceDiscriminator,
    FaceGenerator,
    PictureNorm,
    from_released,
    load_renderer,
    new_renderer,
    save_renderer,
)
from spfem.settings import RendererSettings
from tests.released.made_up import released_renderer_state
from tests.renderer.planted import PLAIN, SETTINGS


def windows(settings, batch=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    side, channels = settings.image_size, settings.condition_channels
    images = torch.rand(batch, 3, channels, side, side, generator=random)
    images[:, :, -1] = images[:, :, -1].round()
    return images


def pictures(settings, batch=3):
    return torch.rand(batch, 2, 3, settings.image_size, settings.image_size) * 2 - 1


def test_the_generator_has_the_published_parameter_count():
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
    with pytest.raises(ShapeError, match="needs"):
        FaceGenerator(PLAIN)(windows(SETTINGS)[:, :, :9])


def test_the_discriminator_has_the_published_parameter_count_and_map_sides():
    with torch.device("meta"):
        network = FaceDiscriminator(RendererSettings())
        maps = network(torch.empty(1, 10, 256, 256), torch.empty(1, 3, 256, 256))
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_547_906
    assert [layer.shape[-1] for layer in maps[0]] == [129, 65, 33, 34, 35]
    assert [layer.shape[-1] for layer in maps[1]] == [65, 33, 17, 18, 19]
    assert [layer.shape[1] for layer in maps[0]] == [64, 128, 256, 512, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_maps_in_either_order_of_memory_are_normalised_alike(count):
    maps = torch.randn(count, 5, 4, 6, dtype=torch.float64) * 3 + 2
    mean = maps.mean((2, 3), keepdim=True)
    wanted = (maps - mean) / (maps.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    turned = maps.contiguous(memory_format=torch.channels_last)
    weights = torch.arange(maps.numel(), dtype=torch.float64).view(maps.shape).sin()
    for ordered in (maps, turned):
        found = PictureNorm(5)(ordered.requires_grad_())
        torch.testing.assert_close(found, wanted)
        (ordered.grad,) = torch.autograd.grad((found * weights).sum(), ordered)
    torch.testing.assert_close(maps.grad, turned.grad)


FINAL = "generator.model_final_img.1.bias"


def released_keys():
    root = Path(__file__).resolve().parents[2].parent / "shared"
    folder = Path(os.environ.get("SPFEM_PARITY", root / "parity")).parent
    path = folder / "spec" / "checkpoint_keys" / "keys_renderer.txt"
    if not path.exists():
        pytest.skip("no list of released keys")
    keys = {"G": {}, "D": {}}
    for line in path.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        file, key, shape, _ = line.split("\t")
        network = file.split("_net_")[1].split(".")[0]
        if network in keys:
            sides = [int(side) for side in shape.strip("[]").split(",") if side.strip()]
            keys[network][key] = torch.Size(sides)
    return keys


@pytest.mark.parametrize(("name", "network"), [("G", FaceGenerator), ("D", FaceDiscriminator)])
def test_paper_size_has_exactly_the_released_keys(name, network):
    with torch.device("meta"):
        state = released_renderer_state(network(RendererSettings()))
    assert {key: value.shape for key, value in state.items()} == released_keys()[name]


@pytest.mark.parametrize("network", [FaceGenerator, FaceDiscriminator])
def test_released_layout_comes_back_and_norm_buffers_do_not_matter(network):
    torch.manual_seed(0)
    one, two = network(PLAIN), network(PLAIN)
    state = released_renderer_state(one)
    for key in state:
        if key.endswith("running_var"):
            state[key] = torch.rand_like(state[key])
    load_weights(two, from_released(state), "test")
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])


def test_saved_renderer_comes_back_whole(tmp_path):
    renderer = new_renderer(SETTINGS, 5)
    renderer.curve.append({"step": 1.0, "image_pixel": 0.25})
    save_renderer(renderer, tmp_path / "r.safetensors")
    loaded = load_renderer(tmp_path / "r.safetensors")
    assert loaded.settings == SETTINGS
    assert loaded.curve == renderer.curve
    for name, network in renderer.networks().items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, loaded.networks()[name].state_dict()[key])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, facts: tensors.pop(FINAL), rf"generator\) lacks 1 entries \({FINAL[10:]}"),
        (lambda tensors, facts: tensors.update({"generator.x": torch.ones(1)}), "has surplus 1"),
        (lambda tensors, facts: tensors.update({FINAL: torch.ones(5)}), r"\(5,\) instead of"),
        (lambda tensors, facts: facts["settings"].update(image_size=33), "image_size 33"),
        (lambda tensors, facts: facts["settings"].update(colour=1), "unusable settings.*colour"),
        (lambda tensors, facts: facts.pop("settings"), "unusable settings"),
    ],
)
def test_weights_and_facts_that_do_not_fit_are_refused(tmp_path, change, message):
    path = tmp_path / "r.safetensors"
    save_renderer(new_renderer(PLAIN, 0), path)
    tensors, facts = load_checkpoint(path, kind="renderer")
    change(tensors, facts)
    save_checkpoint(path, tensors, kind="renderer", facts=facts)
    with pytest.raises(CheckpointError, match=message):
        load_renderer(path)
