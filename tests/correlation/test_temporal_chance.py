"""Control: on independent inputs no operator may find the matching place.

The released transformer fails this: each output slot carries a signature of its own that query
and key share, so that its loss is near 0 whatever it is given.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from spfem.correlation.asccl import LevelComparison, ProjectionHeads
from spfem.correlation.stccl import (
    compare_differences,
    compare_spatial_matrices,
    compare_temporal_matrices,
)
from spfem.settings import SpatialSettings, TemporalSettings

SIDE, CHANNELS, FRAMES, BATCH = 14, 64, 5, 8
PLACES = torch.cartesian_prod(torch.arange(2, 12), torch.arange(2, 12))[::2]  # S = 50
OPERATORS = ("vd adjacent", "vd all", "cm temporal", "cm spatial")


@torch.no_grad()
def compare(operator: str, query, key, temperature: float) -> LevelComparison:
    """Compare maps (B, T, C, H, W) by untrained heads."""
    heads = ProjectionHeads([CHANNELS])
    name, kind = operator.split()
    settings = TemporalSettings(
        spatial=replace(SpatialSettings(), temperature=temperature),
        formulation=name,
        frame_pairs=kind if name == "vd" else "adjacent",
    )
    if operator == "cm spatial":
        frames = [maps.flatten(0, 1) for maps in (query, key)]
        return compare_spatial_matrices(heads, 0, *frames, PLACES, temperature)
    rows = [maps[..., PLACES[:, 0], PLACES[:, 1]] for maps in (query, key)]
    function = compare_differences if name == "vd" else compare_temporal_matrices
    return function(heads, 0, *rows, None, settings)


def independent(seed):
    torch.manual_seed(seed)
    return (torch.randn(BATCH, FRAMES, CHANNELS, SIDE, SIDE) for _ in range(2))


@pytest.mark.parametrize("operator", OPERATORS)
def test_independent_inputs_score_at_chance(operator):
    chance = math.log(len(PLACES))
    mild = compare(operator, *independent(0), temperature=1.0)
    assert mild.loss.item() == pytest.approx(chance, abs=0.05)
    sharp = compare(operator, *independent(1), temperature=0.07)
    assert sharp.loss.item() > chance - 0.02  # confident guesses can only cost
    cosines = torch.einsum("bcs,bct->bst", sharp.query, sharp.key)
    found = cosines.argmax(dim=2) == torch.arange(len(PLACES))
    expected = found.numel() / len(PLACES)
    assert abs(int(found.sum()) - expected) < 5 * math.sqrt(expected)
    matched = cosines.diagonal(dim1=1, dim2=2).mean()
    assert matched.item() == pytest.approx(cosines.mean().item(), abs=0.02)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_control_notices_inputs_that_agree(operator):
    query, noise = independent(2)
    agreeing = compare(operator, query, query + 0.1 * noise, temperature=0.07)
    assert agreeing.loss.item() < math.log(len(PLACES)) - 0.5
    assert compare(operator, query, query, temperature=1.0).loss < math.log(len(PLACES)) - 0.01
