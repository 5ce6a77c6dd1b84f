from __future__ import annotations

import json

import pytest
import torch

from spfem.correlation.backbone import IResNet, feature_sides
from spfem.settings import SpatialSettings

PAPER = SpatialSettings()


@pytest.fixture(scope="module")
def paper_backbone():
    with torch.device("meta"):
        return IResNet(PAPER.widths, PAPER.blocks)


def test_paper_size_has_the_published_parameter_count(paper_backbone):
    unused = 2 * PAPER.widths[-1]
    count = sum(parameter.numel() for parameter in paper_backbone.parameters())
    assert count + unused == 30_744_256


def test_state_names_are_the_released_ones(paper_backbone, parity_folder):
    released = json.loads((parity_folder / "state_keys.json").read_text())["asccl_backbone"]
    wanted = {
        name: tuple(shape)
        for name, shape in released.items()
        if not name.startswith("resnet50.bn2.")
    }
    state = paper_backbone.state_dict()
    assert {f"resnet50.{name}": tuple(value.shape) for name, value in state.items()} == wanted


def test_feature_maps_have_strides_of_powers_of_two():
    net = IResNet((4, 8, 12), (1, 2, 1)).eval()
    for side in (40, 33):
        maps = net(torch.zeros(2, 3, side, side))
        sides = feature_sides(side, 3)
        assert [tuple(m.shape) for m in maps] == [
            (2, c, s, s) for c, s in zip((4, 8, 12), sides, strict=True)
        ]
    assert feature_sides(224, 4) == [112, 56, 28, 14]


def test_nothing_follows_the_addition():
    maps = IResNet((8,), (2,)).train()(torch.rand(4, 3, 16, 16))
    assert (maps[0] < 0).any()  # a rectifier after the sum would leave none
