from __future__ import annotations

import torch

from spfem.renderer.networks import FaceDiscriminator
from spfem.settings import RendererSettings


def test_paper_size_has_the_published_parameter_count_and_map_sides():
    with torch.device("meta"):
        network = FaceDiscriminator(RendererSettings())
        maps = network(torch.empty(1, 10, 256, 256), torch.empty(1, 3, 256, 256))
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_547_906
    assert [layer.shape[-1] for layer in maps[0]] == [129, 65, 33, 34, 35]
    assert [layer.shape[-1] for layer in maps[1]] == [65, 33, 17, 18, 19]
    assert [layer.shape[1] for layer in maps[0]] == [64, 128, 256, 512, 1]
