"""The one way in which images reach a correlation metric, in learning and in supervision."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.errors import ShapeError
from spfem.late_checks import check_numbers
from spfem.uploads import upload

RANGE_TOLERANCE = 0.01  # beyond [-1, 1], for resampled images


def images_from_frames(frames: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Turn frames (B, H, W, 3) uint8 RGB into images (B, 3, H, W) float32 RGB in [-1, 1].

    Raises:
        ShapeError: if `frames` has another shape or type.

    Example:
        >>> images_from_frames(np.array([0, 255, 255], np.uint8).reshape(1, 1, 1, 3)).flatten()
        tensor([-1.,  1.,  1.])
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise ShapeError(
            f"frames must be uint8 (B, H, W, 3) RGB, found {frames.dtype} {frames.shape}"
        )
    pixels = upload(np.ascontiguousarray(frames), device)
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def prepare_images(images: Tensor, image_size: int, *, name: str = "images") -> Tensor:
    """Check images and bring them to the side that the metric was learned with.

    Source: ASCCL. Departs from the released code, which learns on BGR and 224 pixels and
    supervises on RGB and 256 pixels: here both are RGB and one size.

    Args:
        images: (B, 3, H, W) RGB in [-1, 1], aligned face crops; non-square ones are stretched.
        image_size: wanted side in pixels.
        name: what to call the argument in errors.

    Returns:
        (B, 3, image_size, image_size), differentiable.

    Raises:
        ShapeError: for another shape, type or range, or values that are not finite. On a GPU values
            are looked at without waiting, see `spfem.late_checks`.

    Example:
        >>> prepare_images(torch.zeros(1, 3, 64, 48), 32).shape
        torch.Size([1, 3, 32, 32])
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        found = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise ShapeError(
            f"{name} must be a floating-point tensor, found {found}; "
            "frames (uint8) are converted by images_from_frames"
        )
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise ShapeError(f"{name} must be (B, 3, H, W) RGB, found {tuple(images.shape)}")
    extremes = torch.stack(torch.aminmax(images.detach()))  # NaN survives

    def complain(found: list[float]) -> None:
        if not np.isfinite(found).all():
            raise ShapeError(f"{name} holds values that are not finite (NaN or infinite)")
        if found[0] < -1 - RANGE_TOLERANCE or found[1] > 1 + RANGE_TOLERANCE:
            raise ShapeError(
                f"{name} must lie in [-1, 1], found {found[0]:.3g} to {found[1]:.3g}; "
                "scale pixel values v of 0..255 by v / 127.5 - 1"
            )

    check_numbers(extremes, complain, key=(name, tuple(images.shape)))
    if images.shape[2:] == (image_size, image_size):
        return images
    return functional.interpolate(
        images, (image_size, image_size), mode="bilinear", align_corners=False, antialias=True
    )
