"""Batch norm that costs little where its statistics are fixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _FixedNorm(nn.modules.batchnorm._BatchNorm):
    """In evaluation one scale and one shift a channel, with the same values and gradients.

    The built-in gradient is slow on processors, and it keeps the input although a frozen metric
    needs it for nothing.
    """

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
