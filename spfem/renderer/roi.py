"""Square crops around a point, for the mouth discriminator and the mouth pixel loss."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.uploads import constant, upload


def crop_around(images: Tensor, centres: Tensor, size: int) -> Tensor:
    """Crop a square of `size` pixels around a point of each image.

    Args:
        images: (B, C, H, W); gradients pass through.
        centres: (B, 2) x, y in pixels; truncated to whole pixels, and moved inwards where the
            square would leave the image.
        size: even side of the square in pixels.

    Returns:
        (B, C, size, size)

    Raises:
        ShapeError: if the square is larger than the images or `centres` does not fit.

    Source: NED.
    """
    batch, _, height, width = images.shape
    if size > min(height, width) or size % 2:
        raise ShapeError(f"a crop of {size} px must be even and fit into {height} x {width} px")
    if centres.shape != (batch, 2):
        raise ShapeError(f"centres have shape {tuple(centres.shape)}; they must be ({batch}, 2)")
    half = size // 2
    limits = constant((width - half, height - half), images.device)
    corners = upload(centres, images.device).long().clamp(min=half)
    corner = torch.minimum(corners, limits) - half
    steps = torch.arange(size, device=images.device)
    rows = (corner[:, 1:] + steps)[:, :, None]
    columns = (corner[:, :1] + steps)[:, None, :]
    samples = torch.arange(batch, device=images.device)[:, None, None]
    return images[samples, :, rows, columns].movedim(-1, 1)
