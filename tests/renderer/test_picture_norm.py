from __future__ import annotations

import pytest
import torch

from spfem.renderer.networks import PictureNorm


@pytest.mark.parametrize("count", [1, 3])
def test_maps_in_either_order_of_memory_are_normalised_alike(count):
    maps = torch.randn(count, 5, 4, 6, dtype=torch.float64) * 3 + 2
    mean = maps.mean((2, 3), keepdim=True)
    wanted = (maps - mean) / (maps.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    turned = maps.contiguous(memory_format=torch.channels_last)
    for given in (maps, turned):
        given = given.requires_grad_()
        found = PictureNorm(5)(given)
        torch.testing.assert_close(found, wanted)
        weights = torch.arange(found.numel(), dtype=torch.float64).view(found.shape).sin()
        (given.grad,) = torch.autograd.grad((found * weights).sum(), given)
    torch.testing.assert_close(maps.grad, turned.grad)
