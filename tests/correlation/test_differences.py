from __future__ import annotations

import pytest
import torch

from spfem.correlation.stccl import (
    adjacent_differences,
    differences_to_first,
    held_pairs,
    mean_over_time,
    pair_differences,
    paired_frames,
    shuffled_differences,
)


@pytest.fixture
def features():
    return torch.randn(2, 4, 3, 5, dtype=torch.float64)


def test_operators_equal_slow_loops(features):
    frames = features.unbind(dim=1)
    pairs = [frames[i] - frames[j] for i in range(4) for j in range(4) if i < j]
    assert torch.equal(pair_differences(features), torch.stack(pairs, dim=1))
    steps = [frames[t] - frames[t + 1] for t in range(3)]
    assert torch.equal(adjacent_differences(features), torch.stack(steps, dim=1))
    first = [frames[t] - frames[0] for t in range(1, 4)]
    assert torch.equal(differences_to_first(features), torch.stack(first, dim=1))
    torch.testing.assert_close(mean_over_time(features), sum(frames) / 4)
    order = torch.tensor([2, 1, 3, 0])
    turned = [frames[t] - frames[order[t]] for t in range(4)]
    assert torch.equal(shuffled_differences(features, order), torch.stack(turned, dim=1))


def test_held_pairs_are_those_that_show_one_frame():
    indices = torch.tensor([[[0, 5], [1, 5], [1, 6], [1, 7]], [[0, 0], [0, 1], [1, 1], [2, 2]]])
    held = indices[:, 1:] == indices[:, :-1]
    for kind in ("adjacent", "all"):
        first, second = paired_frames(4, kind)
        wanted = (indices[:, first] == indices[:, second]).any(dim=2)
        assert torch.equal(held_pairs(held, kind), wanted)
    assert torch.equal(held_pairs(held.any(dim=2), "adjacent"), held.any(dim=2))
