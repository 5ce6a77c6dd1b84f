from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spfem.correlation.asccl import NEIGHBOUR_OFFSETS, central_range, sample_centres

RELEASED_REGIONS = {
    112: (106, 3),
    56: (53, 1),
    28: (26, 1),
    14: (13, 0),
    128: (121, 3),
    64: (60, 2),
    32: (30, 1),
    16: (15, 0),
    36: (34, 1),
    18: (17, 0),
    9: (8, 0),
    5: (4, 0),
}


@pytest.mark.parametrize(("side", "region"), RELEASED_REGIONS.items())
def test_released_region(side, region):
    first, count = central_range(side, compat="upstream")
    assert (count, first) == region


@given(st.integers(4, 300))
def test_default_region_keeps_every_neighbour_inside(side):
    first, count = central_range(side)
    assert count >= 1
    assert first >= 1
    assert first + count <= side - 1


@pytest.mark.parametrize(("side", "share"), [(14, 0.0570), (16, 0.0494)])
def test_released_region_wraps_as_often_as_specified(side, share):
    first, count = central_range(side, compat="upstream")
    coordinates = range(first, first + count)
    draws = [
        not (0 <= r + dr < side and 0 <= c + dc < side)
        for r in coordinates
        for c in coordinates
        for dr, dc in NEIGHBOUR_OFFSETS
    ]
    assert sum(draws) / len(draws) == pytest.approx(share, abs=5e-5)


def test_centres_are_distinct_uniform_and_reproducible():
    generator = torch.Generator().manual_seed(0)
    draws = [sample_centres(7, 9, 5, generator=generator) for _ in range(800)]
    for centres in draws:
        assert len({tuple(place) for place in centres.tolist()}) == 5
    rows, columns = torch.cat(draws).T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 5, 1, 7)
    counts = torch.zeros(5, 7).index_put(
        (rows - 1, columns - 1), torch.ones(len(rows)), accumulate=True
    )
    assert counts.min() > 70
    assert counts.max() < 165
    again = sample_centres(7, 9, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again, draws[0])
