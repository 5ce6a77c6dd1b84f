"""ResNet-18, the trunk of the image encoder, under its usual state-dict names."""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.correlation.crossmodal.norm import BatchNorm2d


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), BatchNorm2d(channels)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C, H / stride, W / stride)."""
        branch = functional.relu(self.bn1(self.conv1(features)))
        branch = self.bn2(self.conv2(branch))
        if self.downsample is not None:
            features = self.downsample(features)
        return functional.relu(branch + features)


class ResNet18(nn.Module):
    """Features of images that are already normalised by the ImageNet statistics.

    `fc` is kept here for the sake of its name in checkpoints; the caller applies it.

    Args:
        width: channels of the first layer, 64 in the paper; the last has 8 times as many.
        embedding: outputs of `fc`.
    """

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = BatchNorm2d(width)
        channels_in = width
        for level in range(4):
            channels = width * 2**level
            blocks = [BasicBlock(channels_in, channels, 1 if level == 0 else 2)]
            blocks.append(BasicBlock(channels, channels, 1))
            self.add_module(f"layer{level + 1}", nn.Sequential(*blocks))
            channels_in = channels
        self.fc = nn.Linear(channels_in, embedding)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, 8 width, H / 32, W / 32), sides rounded up."""
        features = functional.relu(self.bn1(self.conv1(images)))
        features = functional.max_pool2d(features, 3, 2, 1)
        for level in range(4):
            features = self.get_submodule(f"layer{level + 1}")(features)
        return features
