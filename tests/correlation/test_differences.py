from __future__ import annotations

import pytest
import torch

from spfem.correlation.differences import (
    adjacent_differences,
    differences_to_first,
    held_pairs,
    mean_over_time,
    pair_differences,
    paired_frames,
    shuffled_differences,
)
from spfem.errors import SettingsError, ShapeError


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


def test_two_frames_are_enough_and_one_is_not(features):
    assert torch.equal(pair_differences(features[:, :2]), adjacent_differences(features[:, :2]))
    with pytest.raises(ShapeError, match="at least 2 frames"):
        adjacent_differences(features[:, :1])
    with pytest.raises(SettingsError, match="'some'"):
        paired_frames(4, "some")


def test_adjacent_differences_sum_to_the_longest(features):
    torch.testing.assert_close(
        adjacent_differences(features).sum(dim=1), features[:, 0] - features[:, -1]
    )


def test_a_constant_appearance_leaves_differences_alone(features):
    moved = features + torch.randn(2, 1, 3, 5, dtype=torch.float64)
    for operator in (pair_differences, adjacent_differences, differences_to_first):
        torch.testing.assert_close(operator(moved), operator(features))
    assert not torch.allclose(mean_over_time(moved), mean_over_time(features))


def test_held_pairs_are_those_that_show_one_frame():
    indices = torch.tensor([[[0, 5], [1, 5], [1, 6], [1, 7]], [[0, 0], [0, 1], [1, 1], [2, 2]]])
    held = indices[:, 1:] == indices[:, :-1]
    for kind in ("adjacent", "all"):
        first, second = paired_frames(4, kind)
        wanted = (indices[:, first] == indices[:, second]).any(dim=2)
        assert torch.equal(held_pairs(held, kind), wanted)
    assert torch.equal(held_pairs(held.any(dim=2), "adjacent"), held.any(dim=2))


def test_without_branches_a_pair_is_held_if_all_its_steps_are():
    held = torch.tensor([[True, True, False]])
    assert held_pairs(held, "all").tolist() == [[True, True, False, True, False, False]]
