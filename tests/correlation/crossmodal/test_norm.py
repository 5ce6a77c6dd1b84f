from __future__ import annotations

import pytest
import torch
from torch import nn

from spfem.correlation.backbone import BatchNorm1d, BatchNorm2d

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
