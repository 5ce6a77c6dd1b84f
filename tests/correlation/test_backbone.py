from __future__ import annotations

import json

import pytest
import torch

from spfem.correlation.backbone import IResNet
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
