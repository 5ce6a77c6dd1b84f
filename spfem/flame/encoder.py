"""DECA's encoders: a ResNet-50 and two linear layers, under their released names."""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor, nn

FEATURES, HIDDEN = 2048, 1024
COARSE_OUTPUTS, DETAIL_OUTPUTS = 236, 128
BLOCKS = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 (which carries the stride) and a 1x1 convolution with a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        channels_out = 4 * channels
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, 4 C, H / stride, W / stride)."""
        branch = functional.relu(self.bn1(self.conv1(features)))
        branch = functional.relu(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        if self.downsample is not None:
            features = self.downsample(features)
        return functional.relu(branch + features)


class ResNet50(nn.Module):
    """Features of a 224-pixel RGB image in [0, 1], not normalised otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels_in = 64
        for level, blocks in enumerate(BLOCKS):
            channels = 64 * 2**level
            layers: list[nn.Module] = []
            for block in range(blocks):
                stride = 2 if block == 0 and level > 0 else 1
                layers.append(Bottleneck(channels_in, channels, stride))
                channels_in = 4 * channels
            self.add_module(f"layer{level + 1}", nn.Sequential(*layers))

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, 224, 224) to (B, 2048)."""
        features = functional.relu(self.bn1(self.conv1(images)))
        features = functional.max_pool2d(features, 3, 2, 1)
        for level in range(len(BLOCKS)):
            features = self.get_submodule(f"layer{level + 1}")(features)
        return features.mean((-2, -1))


class FaceEncoder(nn.Module):
    """From a face image to coefficients.

    Args:
        outputs: 236 of the coarse encoder (`E_flame`), 128 of the detail encoder (`E_detail`).

    Source: spec `face_pipeline.md` 2.2.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = ResNet50()
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB images (B, 3, 224, 224) in [0, 1] to (B, outputs)."""
        return self.layers(self.encoder(images))
