from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from spfem.errors import CheckpointError
from spfem.renderer.losses import load_perceptual_loss

PLAN = (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4)


def vgg19():
    """Features of VGG19 as torchvision numbers them, written anew."""
    layers, channels = [], 3
    for width in PLAN:
        if width:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return vgg19()


@pytest.fixture
def state(network):
    state = {f"features.{name}": value for name, value in network.state_dict().items()}
    return state | {"classifier.0.weight": torch.zeros(4)}


def test_loss_equals_a_slow_one_over_the_five_layers(tmp_path, network, state):
    torch.save(state, tmp_path / "vgg19-dcbb9e9d.pth")
    loss = load_perceptual_loss(tmp_path / "vgg19-dcbb9e9d.pth")
    one, two = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    expected = torch.zeros(())
    for last, weight in zip((1, 6, 11, 20, 29), (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), strict=True):
        features = network[: last + 1]
        with torch.no_grad():
            expected += weight * functional.l1_loss(features(one), features(two))
    torch.testing.assert_close(loss(one, two), expected)
    assert not any(parameter.requires_grad for parameter in loss.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("features.28.bias"), r"lacks 1 entries \(vgg.slice5.28.bias\)"),
        (lambda s: s.update({"features.1.bias": torch.ones(1)}), r"surplus .*features.1.bias"),
        (lambda s: s.update({"features.0.bias": torch.ones(3)}), r"\(3,\) instead of \(64,\)"),
    ],
)
def test_other_networks_are_refused(tmp_path, state, change, message):
    change(state)
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=message):
        load_perceptual_loss(tmp_path / "vgg.pth")
