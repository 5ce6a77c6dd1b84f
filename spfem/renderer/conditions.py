"""Condition arrays: what the renderer is told about each frame.

One uint8 array (T, S, S, C) per clip, channels NMFC 3, eyes 3, shape 3, (texture 3), mask 1: the
order of the released code, with the texture image as an addition of this package. The mask is
always the last channel.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.uploads import upload

TEXTURE_CHANNELS = slice(9, 12)


def stack_conditions(
    nmfc: np.ndarray,
    shape: np.ndarray,
    eye: np.ndarray,
    mask: np.ndarray,
    texture: np.ndarray | None = None,
) -> np.ndarray:
    """Stack the condition images of a clip in the renderer's channel order.

    Args:
        nmfc: (T, S, S, 3) uint8 normalised mean face coordinates.
        shape: (T, S, S, 3) uint8 shaded mesh.
        eye: (T, S, S, 3) uint8 eye image.
        mask: (T, S, S) uint8, 0 outside the face, 255 inside.
        texture: (T, S, S, 3) uint8 RGB, the mean face texture of the clip on the mesh, or None.

    Returns:
        (T, S, S, 10) uint8, or 13 channels with a texture.

    Raises:
        ShapeError: if an array is not uint8 or the shapes do not agree.

    Source: NED (order NMFC, eyes, shape, mask); the texture image is an addition.
    """
    images = {"nmfc": nmfc, "eye": eye, "shape": shape}
    if texture is not None:
        images["texture"] = texture
    images["mask"] = mask[..., None]
    for name, image in images.items():
        wanted = (*nmfc.shape[:3], 1 if name == "mask" else 3)
        if image.dtype != np.uint8 or image.shape != wanted:
            raise ShapeError(
                f"condition image {name!r} is {image.dtype} {image.shape}; "
                f"it must be uint8 {wanted}"
            )
    return np.concatenate(list(images.values()), axis=-1)


def to_network(images: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Turn uint8 pictures (..., S, S, C) into float32 (..., C, S, S) in [0, 1]."""
    tensor = upload(np.ascontiguousarray(images), device)
    return tensor.movedim(-1, -3).float().div_(255)


def to_pictures(images: Tensor) -> np.ndarray:
    """Turn (..., 3, S, S) in [-1, 1] into uint8 (..., S, S, 3) RGB, truncated as in NED."""
    grey = ((images.detach().float() + 1) * 0.5).clamp(0, 1) * 255
    return grey.to(torch.uint8).movedim(-3, -1).cpu().numpy()


def cover_outside(images: Tensor, mask: Tensor) -> Tensor:
    """Set images (..., 3, S, S) to -1 (black) where the mask (..., 1, S, S) is 0."""
    return images * mask - (1 - mask)
