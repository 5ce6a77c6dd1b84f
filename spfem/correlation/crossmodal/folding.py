"""Convolution and batch norm as one operation where the statistics are fixed."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor


def convolve_normalised(convolution: Any, norm: Any, features: Tensor) -> Tensor:
    """Return `norm(convolution(features))`; the convolution must have no bias of its own.

    In evaluation the norm is folded into the weights: supervision then neither computes nor
    stores what batch norm needs for its gradient. Gradients of parameters are those of the two.

    Args:
        convolution: `nn.Conv1d` or `nn.Conv2d`.
        norm: the batch norm that follows it.
        features: (B, C, L) or (B, C, H, W).
    """
    if norm.training:
        return norm(convolution(features))
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight = convolution.weight * factor.view(-1, *[1] * (convolution.weight.ndim - 1))
    bias = norm.bias - norm.running_mean * factor
    convolve = functional.conv1d if features.ndim == 3 else functional.conv2d
    return convolve(features, weight, bias, convolution.stride, convolution.padding)
