"""The improved ResNet whose feature maps the spatial and temporal metrics compare.

Source: ASCCL (IResNet-50 of the ArcFace literature). Departs from the released code: the final
batch norm and the fifth feature, which are constructed but never used, are left out. Activation,
norm and convolution have the values and gradients of the built-in ones, but cost less on
processors, and keep nothing for the backward pass where the weights are frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spfem.precision import autocast, full


class _ChannelSlope(torch.autograd.Function):
    """The built-in gradient runs element by element on processors: 5 to 8 ns each, here 1.5."""

    @staticmethod
    def forward(context: Any, values: Tensor, slope: Tensor) -> Tensor:
        # A frozen slope needs the sides of zero only: a quarter of the memory.
        sides = values if context.needs_input_grad[1] else values > 0
        context.save_for_backward(sides, slope)
        return nn.functional.prelu(values, slope)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        values, slope = context.saved_tensors
        # No torch.where, which is slow on processors: `above` is the gradient where values are
        # positive, `below` where they are not, each zero elsewhere.
        if values.dtype == torch.bool:
            above = gradient * values
        else:
            above = torch.ops.aten.threshold_backward(gradient, values, 0)
        below = gradient - above
        of_slope = None
        if context.needs_input_grad[1]:
            of_slope = (below * values).sum(dim=[0, *range(2, values.ndim)])
        of_values = below.mul_(slope.view(1, -1, *(1,) * (values.ndim - 2))).add_(above)
        return of_values, of_slope


class ChannelPReLU(nn.PReLU):
    """`nn.PReLU` with one slope a channel, the same values and gradients, a faster backward pass.

    On GPUs the built-in gradient is one kernel and is used. On processors there are no second
    derivatives.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Map (B, C, ...) to the same shape."""
        if values.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(values)
        return _ChannelSlope.apply(values, self.weight.to(values.dtype))


class _FixedNorm(nn.modules.batchnorm._BatchNorm):
    """In evaluation one scale and one shift a channel: the built-in keeps the input for nothing."""

    def forward(self, features: Tensor) -> Tensor:
        if self.training or self.running_mean is None or self.running_var is None:
            return super().forward(features)
        factor = self.weight * torch.rsqrt(self.running_var + self.eps)
        shift = self.bias - self.running_mean * factor
        shape = (-1, *(1,) * (features.ndim - 2))
        return (features * factor.view(shape)).add_(shift.view(shape))


class BatchNorm1d(_FixedNorm, nn.BatchNorm1d):
    """`nn.BatchNorm1d` of features (B, C, L)."""


class BatchNorm2d(_FixedNorm, nn.BatchNorm2d):
    """`nn.BatchNorm2d` of features (B, C, H, W)."""


class _FrozenConvolution(torch.autograd.Function):
    """The gradient of the input needs only the weights; the built-in keeps the input as well."""

    @staticmethod
    def forward(
        context: Any, features: Tensor, weight: Tensor, stride: Any, padding: Any
    ) -> Tensor:
        context.save_for_backward(weight)
        context.shape, context.stride, context.padding = features.shape, stride, padding
        return nn.functional.conv2d(features, weight, None, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = context.saved_tensors
        of_features = torch.nn.grad.conv2d_input(  # type: ignore[attr-defined]
            context.shape, weight, gradient, context.stride, context.padding
        )
        return of_features, None, None, None


class Convolution(nn.Conv2d):
    """`nn.Conv2d` without bias; frozen in float32 it stores no activation."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C, H', W')."""
        frozen = not self.weight.requires_grad and features.requires_grad
        if not frozen or torch.is_autocast_enabled(features.device.type):
            return super().forward(features)
        padding: Any = self.padding
        if self.padding_mode != "zeros" and any(padding):
            sides = (padding[1], padding[1], padding[0], padding[0])
            features, padding = nn.functional.pad(features, sides, mode=self.padding_mode), 0
        return _FrozenConvolution.apply(features, self.weight, self.stride, padding)


SAFE_WIDTH = 64  # below it, channels-last gradients of convolutions break in oneDNN


class ResidualBlock(nn.Module):
    """Pre-activation block; no activation after the addition.

    The stride sits in the second convolution, so the first runs at the input resolution.
    """

    def __init__(self, channels_in: int, channels: int, stride: int, padding: Any) -> None:
        super().__init__()
        convolve = partial(Convolution, bias=False, padding_mode=padding)
        self.bn1 = BatchNorm2d(channels_in)
        self.conv1 = convolve(channels_in, channels, 3, 1, 1)
        self.bn2 = BatchNorm2d(channels)
        self.prelu = ChannelPReLU(channels)
        self.conv2 = convolve(channels, channels, 3, stride, 1)
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
    """Feature maps at strides 2, 4, 8, ... of RGB images; state-dict names are the released ones.

    The paper has widths 64, 128, 256, 512 and 3, 4, 14, 3 blocks. `precision` is that of
    `spfem.precision.autocast`; the maps are float32 in any case. `padding` is what convolutions see
    beyond the picture: `zeros` (the published form) or `replicate`, the nearest value.
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: Sequence[int],
        precision: str = "float32",
        padding: Any = "zeros",
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.precision = precision
        self.conv1 = Convolution(3, widths[0], 3, 1, 1, bias=False, padding_mode=padding)
        self.bn1 = BatchNorm2d(widths[0])
        self.prelu = ChannelPReLU(widths[0])
        channels_in = widths[0]
        for level, (channels, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = [ResidualBlock(channels_in, channels, 2, padding)]
            stage += [ResidualBlock(channels, channels, 1, padding) for _ in range(count - 1)]
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
