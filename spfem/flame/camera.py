"""DECA's camera: scaled orthographic, into a square of 224 pixels."""

from __future__ import annotations

import torch
from torch import Tensor

CROP_SIZE = 224  # pixels a side of what the encoders see


def project(points: Tensor, camera: Tensor) -> Tensor:
    """Places (B, N, 3) in the square: x right, y down, both in [-1, 1]; z away from the camera.

    Args:
        points: (B, N, 3) metres, y up, z towards the camera.
        camera: (B, 3) scale and shifts: s, tx, ty.

    Source: spec `face_pipeline.md` 2.4: x' = s (x + tx), y' = -s (y + ty), z' = -s z.
    """
    scale, shift = camera[:, None, :1], torch.nn.functional.pad(camera[:, None, 1:], (0, 1))
    return (points + shift) * scale * points.new_tensor([1, -1, -1])


def to_raster(places: Tensor, size: int) -> Tensor:
    """Projected places (B, N, 3) in pixels as `rasterise` takes them: centres at 0.5."""
    half = size / 2
    return places * half + places.new_tensor([half, half, 0])


def to_crop_pixels(places: Tensor) -> Tensor:
    """Landmarks (B, N, 2) in the 224 frame, 112 + 112 x', of projected places (B, N, 2 or 3).

    As released, and taken there as pixel indices; the drawn image of the same place lies half a
    pixel lower, because its pixel centres are at 0.5 (spec `face_pipeline.md` 2.5).
    """
    return CROP_SIZE / 2 * (places[..., :2] + 1)
