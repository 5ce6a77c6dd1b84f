from __future__ import annotations

import pytest
import torch

from benchmarks.made_up import made_up_images
from spfem.correlation.backbone import IResNet
from spfem.doctor import graphics
from spfem.doctor.graphics import (
    OF_A_WEIGHT,
    Graphics,
    activation_bytes,
    graphics_facts,
    needed_gb,
    weight_bytes,
)
from spfem.settings import SpatialSettings

LARGE = Graphics("NVIDIA Made Up", 85_000_000_000, (9, 0))
SMALL = Graphics("NVIDIA Small", 4_000_000_000, (7, 5))


def test_a_large_card_is_named_and_everything_fits():
    told = {fact.name: fact.found for fact in graphics_facts(LARGE)}
    assert told["device"] == "cuda: NVIDIA Made Up, 85 GB, bfloat16 in hardware"
    assert told["fits on it"].startswith("all fit")
    assert f"paper {needed_gb('paper'):.1f}" in told["fits on it"]


def test_what_does_not_fit_a_small_card_is_said_with_what_to_do():
    told = {fact.name: fact.found for fact in graphics_facts(SMALL)}
    assert "no bfloat16" in told["device"]
    assert told["fits on it"].startswith("too large: paper; halve their batch_size")
    assert not [fact for fact in graphics_facts(SMALL) if fact.trouble]


def test_without_a_card_one_line_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert graphics.found_graphics() is None
    (fact,) = graphics_facts(None)
    assert fact.found == "cpu (torch sees no GPU)"


@pytest.mark.parametrize("blocks", [(1, 1), (2, 3)])
def test_the_formula_counts_what_a_step_keeps(blocks):
    settings = SpatialSettings(image_size=32, widths=(16, 32), blocks=blocks, centres=(4, 3))
    network = IResNet(settings.widths, settings.blocks).train()
    kept: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = {each.untyped_storage().data_ptr() for each in network.state_dict().values()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        levels = network(made_up_images(4, 32, 0))
    found = sum(size for place, size in kept.items() if place not in weights) / 4
    assert levels
    assert found == pytest.approx(activation_bytes(settings), rel=0.3)
    convolutions = sum(
        module.weight.numel() for module in network.modules() if isinstance(module, torch.nn.Conv2d)
    )
    assert weight_bytes(settings) == pytest.approx(OF_A_WEIGHT * convolutions, rel=0.1)
