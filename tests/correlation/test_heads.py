from __future__ import annotations

import torch

from spfem.correlation.asccl import ProjectionHeads, normalise_channels
from spfem.settings import SpatialSettings


def test_paper_size_has_the_published_parameter_count_and_names():
    with torch.device("meta"):
        heads = ProjectionHeads(SpatialSettings().widths)
    assert sum(parameter.numel() for parameter in heads.parameters()) == 436_400
    numbers = {name.split(".")[0] for name in heads.state_dict()}
    assert numbers == {"0", "2", "3", "5", "6", "8", "9", "11"}


def test_descriptors_equal_a_slow_loop():
    heads = ProjectionHeads((8, 12)).double()
    disparities = torch.randn(2, 12, 5, dtype=torch.float64)
    found = heads.describe(1, disparities)
    first, second = heads[3], heads[5]
    for b in range(2):
        for s in range(5):
            hidden = (first.weight @ disparities[b, :, s] + first.bias).clamp(min=0)
            row = second.weight @ hidden + second.bias
            torch.testing.assert_close(found[b, :, s], row / row.norm(), rtol=1e-5, atol=1e-9)


def test_scale_does_not_matter_and_zero_has_a_finite_gradient():
    rows = torch.randn(1, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(
        normalise_channels(rows), normalise_channels(50 * rows), rtol=1e-5, atol=0
    )
    zero = torch.zeros(1, 6, 4, requires_grad=True)
    normalise_channels(zero).sum().backward()
    assert torch.isfinite(zero.grad).all()
