from __future__ import annotations

import torch
from torch.nn import functional

from spfem.renderer.discriminators import Discriminator
from spfem.settings import RendererSettings


def test_paper_size_has_the_published_parameter_count_and_map_sides():
    with torch.device("meta"):
        network = Discriminator(RendererSettings())
        maps = network(torch.empty(1, 10, 256, 256), torch.empty(1, 3, 256, 256))
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_547_906
    assert [layer.shape[-1] for layer in maps[0]] == [129, 65, 33, 34, 35]
    assert [layer.shape[-1] for layer in maps[1]] == [65, 33, 17, 18, 19]
    assert [layer.shape[1] for layer in maps[0]] == [64, 128, 256, 512, 1]


def test_images_are_pooled_in_the_order_whose_gradient_is_right_on_a_gpu(monkeypatch):
    """PyTorch's gradient of a padded mean is wrong there when channels lie together."""
    orders = []
    pool = functional.avg_pool2d

    def look(images, *sizes, **options):
        orders.append(images.is_contiguous())
        return pool(images, *sizes, **options)

    monkeypatch.setattr("spfem.renderer.discriminators.functional.avg_pool2d", look)
    settings = RendererSettings(discriminator_width=64)
    network = Discriminator(settings)
    conditions = torch.rand(1, settings.condition_channels, 32, 32)
    pictures = torch.rand(1, 3, 32, 32)
    order = torch.channels_last
    turned = [value.contiguous(memory_format=order) for value in (conditions, pictures)]
    usual = network(conditions, pictures)
    for one, other in zip(usual, network(*turned), strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(conditions, pictures)
    assert orders
    assert all(orders)
