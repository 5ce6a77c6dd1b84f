from __future__ import annotations

import math

import pytest
import torch

from spfem.correlation.asccl import (
    NEIGHBOUR_OFFSETS,
    adaptive_weight,
    neighbour_disparities,
    region_weight,
    sample_centres,
)

STEPS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def test_differences_equal_a_slow_loop():
    features = torch.randn(2, 3, 6, 7)
    centres = torch.tensor([[1, 1], [4, 5], [2, 3]])
    found = neighbour_disparities(features, centres)
    assert found.shape == (2, 3, 24)
    for p, (row, column) in enumerate(centres.tolist()):
        for n, (down, right) in enumerate(STEPS):
            wanted = features[:, :, row, column] - features[:, :, row + down, column + right]
            assert torch.equal(found[:, :, 8 * p + n], wanted)


def test_flipped_map_with_flipped_centres_gives_the_same_differences_in_flipped_order():
    features = torch.randn(1, 3, 8, 9)
    centres = sample_centres(8, 9, 5)
    mirrored = torch.stack([centres[:, 0], 8 - centres[:, 1]], dim=1)
    order = [NEIGHBOUR_OFFSETS.index((row, -column)) for row, column in NEIGHBOUR_OFFSETS]
    plain = neighbour_disparities(features, centres).unflatten(2, (5, 8))
    flipped = neighbour_disparities(features.flip(3), mirrored).unflatten(2, (5, 8))
    assert torch.equal(flipped, plain[..., order])


def test_weight_is_one_then_jumps_then_tends_to_two():
    edge = math.log(4)
    d = torch.tensor([0.0, edge - 1e-3, edge + 1e-3, 30.0, -(edge + 1e-3)], dtype=torch.float64)
    weights = adaptive_weight(d).tolist()
    assert weights[:2] == [1.0, 1.0]
    assert weights[2] == pytest.approx(1.28, abs=1e-3)
    assert weights[2] == weights[4]
    assert weights[3] == pytest.approx(2.0)


def test_region_weight_is_the_channel_mean_without_gradient():
    disparities = (3 * torch.randn(2, 5, 4)).requires_grad_()
    weights = region_weight(disparities)
    assert not weights.requires_grad
    for b in range(2):
        for s in range(4):
            strengths = [1 / (1 + math.exp(-abs(float(d)))) for d in disparities[b, :, s].detach()]
            wanted = sum(1 if t <= 0.8 else 2 * t * t for t in strengths) / 5
            assert float(weights[b, s]) == pytest.approx(wanted, rel=1e-5)
