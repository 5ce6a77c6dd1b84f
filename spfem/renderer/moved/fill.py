"""Push-pull: values known at some pixels, continued smoothly to all others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 3  # pixels; the pyramid's last level


def fill_smoothly(values: Tensor, known: Tensor) -> Tensor:
    """Values (B, C, H, W), kept where `known` is 1 and continued from there elsewhere.

    A pyramid of weighted means is built downwards, then what is missing is taken from the next
    coarser level (Gortler et al. 1996, push-pull). Linear in `values`, and differentiable.

    Args:
        values: (B, C, H, W); what stands where `known` is 0 does not matter, but must be finite.
        known: (B, 1, H, W) in [0, 1].

    Returns:
        (B, C, H, W); 0 for a picture where nothing is known.
    """
    channels = values.shape[1]
    levels = [torch.cat([values * known, known], 1)]  # pooled together: half the calls
    while min(levels[-1].shape[-2:]) > SMALLEST:
        levels.append(functional.avg_pool2d(levels[-1], 2, ceil_mode=True))
    weighted = [level[:, :channels] for level in levels]
    weights = [level[:, channels:] for level in levels]
    total = weights[-1].sum((-2, -1), keepdim=True)
    mean = weighted[-1].sum((-2, -1), keepdim=True) / total.clamp(min=1e-9)
    estimate = torch.where(
        weights[-1] > 0, weighted[-1] / weights[-1].clamp(min=1e-9), mean.expand_as(weighted[-1])
    )
    for level in range(len(weights) - 2, -1, -1):
        size = weights[level].shape[-2:]
        coarse = functional.interpolate(estimate, size, mode="bilinear", align_corners=False)
        estimate = torch.addcmul(weighted[level], 1 - weights[level], coarse)
    return estimate
