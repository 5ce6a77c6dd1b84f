"""Small random shifts and scalings of condition images, so that the net survives bad fits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from spfem.uploads import upload


def jitter_conditions(conditions: Tensor, amount: float, random: torch.Generator) -> Tensor:
    """Shift and scale each condition image of each frame on its own.

    Args:
        conditions: (B, T, C, S, S), images of three channels each, mask last.
        amount: largest shift, and largest change of scale, as a fraction of the side; 0 for none.
        random: source of the draws, on the CPU.

    Returns:
        (B, T, C, S, S); black comes in at the sides; the mask stays.

    Source: NED (1 %, nearest sampling, independent for each image and frame).
    """
    if amount == 0:
        return conditions
    batch, frames, channels, side, _ = conditions.shape
    count = (channels - 1) // 3
    images = conditions[:, :, :-1].reshape(batch * frames * count, 3, side, side)
    draws = (2 * torch.rand(len(images), 3, generator=random) - 1) * amount
    transform = torch.zeros(len(images), 2, 3)
    transform[:, 0, 0] = transform[:, 1, 1] = 1 / (1 + draws[:, 0])
    transform[:, :, 2] = 2 * draws[:, 1:]  # the sampling grid spans [-1, 1]
    grid = functional.affine_grid(
        upload(transform, images.device).to(images.dtype), list(images.shape), align_corners=False
    )
    moved = functional.grid_sample(images, grid, mode="nearest", align_corners=False)
    return torch.cat([moved.reshape(conditions[:, :, :-1].shape), conditions[:, :, -1:]], dim=2)
