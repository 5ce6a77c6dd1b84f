"""The improved ResNet whose feature maps the spatial metric compares.

Source: ASCCL (IResNet-50 of the ArcFace literature). Departs from the released code: the final
batch norm and the fifth feature, which are constructed but never used, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spfem.correlation.activation import ChannelPReLU
from spfem.correlation.crossmodal.norm import BatchNorm2d
from spfem.correlation.frozen import Convolution
from spfem.precision import autocast, full

"""Entries of released checkpoints that no computation reads."""

SAFE_WIDTH = 64  # below it, channels-last gradients of convolutions break in oneDNN


class ResidualBlock(nn.Module):
    """Pre-activation block; no activation after the addition.

    The stride sits in the second convolution, so the first runs at the input resolution.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = BatchNorm2d(channels_in)
        self.conv1 = Convolution(channels_in, channels, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        self.prelu = ChannelPReLU(channels)
        self.conv2 = Convolution(channels, channels, 3, stride, 1, bias=False)
        self.bn3 = BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                Convolution(channels_in, channels, 1, stride, bias=False), BatchNorm2d(channels)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C, H / stride, W / stride)."""
        branch = self.prelu(self.bn2(self.conv1(self.bn1(features))))
        branch = self.bn3(self.conv2(branch))
        shortcut = features if self.downsample is None else self.downsample(features)
        return branch + shortcut


class IResNet(nn.Module):
    """Feature maps at strides 2, 4, 8, ... of RGB images.

    State-dict names are those of the released checkpoints.

    Args:
        widths: channels of each level; paper size (64, 128, 256, 512).
        blocks: residual blocks of each level; paper size (3, 4, 14, 3).
        precision: as in `spfem.precision.autocast`; the maps are float32 in any case.
    """

    def __init__(
        self, widths: Sequence[int], blocks: Sequence[int], precision: str = "float32"
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.precision = precision
        self.conv1 = Convolution(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = BatchNorm2d(widths[0])
        self.prelu = ChannelPReLU(widths[0])
        channels_in = widths[0]
        for level, (channels, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = [ResidualBlock(channels_in, channels, 2)]
            stage += [ResidualBlock(channels, channels, 1) for _ in range(count - 1)]
            self.add_module(f"layer{level + 1}", nn.Sequential(*stage))
            channels_in = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return one map (B, C, H, W) a level for images (B, 3, H, W) in [-1, 1]."""
        if self.precision == "float32":  # leaves a context of the caller alone
            return self._maps(images)
        with autocast(images.device, self.precision):
            # bfloat16 convolutions want the channels of a place side by side; in float32 that
            # is hardly faster, and the gradient of the images loses two digits.
            fast = torch.is_autocast_enabled(images.device.type)
            if fast and min(self.widths) >= SAFE_WIDTH:
                images = images.contiguous(memory_format=torch.channels_last)
            levels = self._maps(images)
        return [full(features) for features in levels]

    def _maps(self, images: Tensor) -> list[Tensor]:
        features = self.prelu(self.bn1(self.conv1(images)))
        levels = []
        for level in range(len(self.widths)):
            features = self.get_submodule(f"layer{level + 1}")(features)
            levels.append(features)
        return levels


def feature_sides(image_size: int, levels: int) -> list[int]:
    """Side of the square feature map of each level for an image side in pixels."""
    sides = []
    for _ in range(levels):
        image_size = (image_size + 1) // 2
        sides.append(image_size)
    return sides
