"""The order in memory that makes bfloat16 convolutions fast."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_WIDTH = 64  # narrower nets gain nothing


def channels_together(images: Tensor, width: int) -> Tensor:
    """Images (B, C, H, W) as they are, or with the channels of a pixel side by side in memory.

    The latter for a net of `width` channels whose convolutions run in bfloat16: matrix units
    read channels, and convolutions keep the order of their input. Values do not change.
    """
    if width < LEAST_WIDTH or images.is_meta:
        return images
    if images.dtype == torch.bfloat16 or torch.is_autocast_enabled(images.device.type):
        return images.contiguous(memory_format=torch.channels_last)
    return images
