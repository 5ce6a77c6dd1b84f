from __future__ import annotations

import pytest
import torch
from torch import nn

from spfem.correlation.crossmodal.folding import convolve_normalised


def layer(dimensions):
    torch.manual_seed(0)
    kinds = {1: (nn.Conv1d, nn.BatchNorm1d), 2: (nn.Conv2d, nn.BatchNorm2d)}[dimensions]
    convolution, norm = kinds[0](3, 5, 3, 2, 1, bias=False), kinds[1](5)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)
    norm.running_var.uniform_(0.2, 2)
    return convolution.double(), norm.double(), torch.randn(2, 3, *[7] * dimensions).double()


@pytest.mark.parametrize("dimensions", [1, 2])
def test_folding_changes_neither_values_nor_gradients(dimensions):
    convolution, norm, features = layer(dimensions)
    norm.eval()
    features.requires_grad_()
    leaves = (features, convolution.weight, norm.weight, norm.bias)
    one, two = convolve_normalised(convolution, norm, features), norm(convolution(features))
    torch.testing.assert_close(one, two)
    gradients = [torch.autograd.grad(y.square().sum(), leaves) for y in (one, two)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_in_training_the_statistics_are_those_of_the_batch(dimensions):
    convolution, norm, features = layer(dimensions)
    normalised = convolve_normalised(convolution, norm.train(), features)
    standard = (normalised - norm.bias.view(-1, *[1] * dimensions)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(standard.mean(dim=1), torch.zeros(5).double())
    assert int(norm.num_batches_tracked) == 1
