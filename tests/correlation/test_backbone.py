from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from spfem.correlation.backbone import (
    BatchNorm1d,
    BatchNorm2d,
    ChannelPReLU,
    Convolution,
    IResNet,
)
from spfem.errors import SettingsError
from spfem.settings import SpatialSettings

PAPER = SpatialSettings()


@pytest.fixture(scope="module")
def paper_backbone():
    with torch.device("meta"):
        return IResNet(PAPER.widths, PAPER.blocks)


def test_paper_size_has_the_published_parameter_count(paper_backbone):
    unused = 2 * PAPER.widths[-1]
    count = sum(parameter.numel() for parameter in paper_backbone.parameters())
    assert count + unused == 30_744_256


def test_state_names_are_the_released_ones(paper_backbone, parity_folder):
    released = json.loads((parity_folder / "state_keys.json").read_text())["asccl_backbone"]
    wanted = {
        name: tuple(shape)
        for name, shape in released.items()
        if not name.startswith("resnet50.bn2.")
    }
    state = paper_backbone.state_dict()
    assert {f"resnet50.{name}": tuple(value.shape) for name, value in state.items()} == wanted


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (3, 5, 7)])
def test_values_and_gradients_are_those_of_the_built_in(shape):
    torch.manual_seed(0)
    values = torch.randn(shape, dtype=torch.float64)
    values.view(-1)[:3] = 0.0  # where the two sides meet
    ours, built_in = ChannelPReLU(5).double(), nn.PReLU(5).double()
    slopes = torch.linspace(-0.3, 1.2, 5, dtype=torch.float64)
    results = []
    for module in (ours, built_in):
        module.weight.data.copy_(slopes)
        given = values.clone().requires_grad_()
        output = module(given)
        wanted = torch.autograd.grad(output.square().sum(), [given, module.weight])
        results.append((output, *wanted))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradient_agrees_with_differences():
    module = ChannelPReLU(3).double()
    values = torch.tensor([[[0.7, -0.4], [-1.1, 2.0], [0.3, -0.9]]], dtype=torch.float64)
    weight = module.weight.detach().requires_grad_()

    def apply(given, slope):
        return torch.func.functional_call(module, {"weight": slope}, (given,))

    assert torch.autograd.gradcheck(apply, (values.requires_grad_(), weight))


@pytest.mark.parametrize("width", [16, 64])
def test_bfloat16_maps_are_float32_and_near_the_exact_ones(width):
    torch.manual_seed(0)
    exact = IResNet((width,), (1,)).eval()
    fast = IResNet((width,), (1,), "bfloat16").eval()
    fast.load_state_dict(exact.state_dict())
    images = torch.rand(1, 3, 24, 24) * 2 - 1
    found, wanted = fast(images)[0], exact(images)[0]
    assert found.dtype == torch.float32
    assert 0 < (found - wanted).norm() / wanted.norm() < 0.02


KINDS = [(BatchNorm1d, nn.BatchNorm1d, (7,)), (BatchNorm2d, nn.BatchNorm2d, (3, 4))]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "built_in", "sides"), KINDS)
def test_values_gradients_and_statistics_are_those_of_the_built_in(kind, built_in, sides, training):
    torch.manual_seed(0)
    norms = [kind(5).double().train(training), built_in(5).double().train(training)]
    for tensor in (norms[0].weight, norms[0].bias, norms[0].running_mean):
        nn.init.normal_(tensor)
    norms[0].running_var.uniform_(0.2, 2)
    norms[1].load_state_dict(norms[0].state_dict())
    features = torch.randn(2, 5, *sides).double().requires_grad_()
    results = [norm(features) for norm in norms]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(
        *(
            torch.autograd.grad(y.square().sum(), (features, norm.weight, norm.bias))
            for y, norm in zip(results, norms, strict=True)
        )
    )
    torch.testing.assert_close(norms[0].state_dict(), norms[1].state_dict())


def test_a_frozen_norm_keeps_nothing_of_its_input():
    kept = []
    norm = BatchNorm1d(16).eval().requires_grad_(False)
    features = torch.randn(64, 16, 50, requires_grad=True) * 1
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        norm(features)
    assert sum(tensor.numel() for tensor in kept) <= 2 * 16


@pytest.mark.parametrize("stride", [1, 2])
def test_frozen_convolutions_see_the_nearest_value_beyond_the_border(stride):
    torch.manual_seed(0)
    ours = Convolution(3, 4, 3, stride, 1, bias=False, padding_mode="replicate").double()
    features = torch.randn(2, 3, 7, 6, dtype=torch.float64, requires_grad=True)
    rows, columns = (torch.arange(-1, side + 1).clamp(0, side - 1) for side in (7, 6))
    wider = features[:, :, rows][..., columns]
    wanted = nn.functional.conv2d(wider, ours.weight, stride=stride)
    results = [ours(features), ours.requires_grad_(False)(features)]  # learning, and frozen
    (expected,) = torch.autograd.grad(wanted.square().sum(), features, retain_graph=True)
    for found in results:
        torch.testing.assert_close(found, wanted)
        (gradient,) = torch.autograd.grad(found.square().sum(), features)
        torch.testing.assert_close(gradient, expected)


def test_a_flat_picture_has_a_border_with_zeros_only():
    torch.manual_seed(0)
    flat = torch.full((1, 3, 32, 32), 0.7)
    spreads = {}
    for padding in ("zeros", "replicate"):
        net = IResNet((8, 12), (1, 1), padding=padding).eval()
        with torch.no_grad():
            spreads[padding] = [float(maps.std(dim=(2, 3)).max()) for maps in net(flat)]
    assert max(spreads["replicate"]) < 1e-5
    assert min(spreads["zeros"]) > 0.01


def test_padding_has_two_names():
    with pytest.raises(SettingsError, match="padding"):
        SpatialSettings(padding="reflect")
    assert (PAPER.padding, PAPER.inside) == ("zeros", False)  # the published form
