"""Convolutions that keep nothing for the backward pass where their weights are frozen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


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
        return _FrozenConvolution.apply(features, self.weight, self.stride, self.padding)
