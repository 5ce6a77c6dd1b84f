from __future__ import annotations

import pytest
import torch
from torch import nn

from spfem.correlation.backbone import ChannelPReLU, IResNet


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
