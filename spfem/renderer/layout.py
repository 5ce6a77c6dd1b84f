"""The order in memory, and the weights, that make bfloat16 convolutions fast."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
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


def cast_once(network: Network, width: int) -> Network:
    """The network for inference under autocast: a copy in its format where that is not float32.

    Autocast casts the weights at every call when no gradient is recorded.

    Args:
        network: on its device; left unchanged.
        width: of the network, for the order in memory.
    """
    device = next(network.parameters()).device.type
    if not torch.is_autocast_enabled(device):
        return network
    cast = copy.deepcopy(network).to(torch.get_autocast_dtype(device))
    if width >= LEAST_WIDTH:
        cast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return cast
