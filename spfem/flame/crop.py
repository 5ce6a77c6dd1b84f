"""What DECA's encoders see: a square of 224 pixels around the 68 points of a face."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.flame.camera import CROP_SIZE
from spfem.flame.points_68 import POINTS

POINTS_MARGIN, CROP_MARGIN = 1.1, 1.25


def crop_transforms(points: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Scale and shift (T, 3, 3) float64 from image to crop, both in pixel indices.

    Args:
        points: (T, 68, 2) pixel indices (the first pixel's centre is 0); a frame with no face
            holds NaN and gets the whole image.
        image_size: width and height.

    Raises:
        ShapeError: if there are not 68 points, or all points of a face coincide.

    Source: spec `face_pipeline.md` 1.4. The released box of a frame without a face swaps width and
    height; here it does not.
    """
    if points.ndim != 3 or points.shape[1:] != (POINTS, 2):
        raise ShapeError(f"points are {points.shape}; wanted (T, {POINTS}, 2)")
    width, height = image_size
    low, high = points.min(1), points.max(1)
    lost = ~np.isfinite(low + high).all(1)
    low[lost], high[lost] = 0, (width - 1, height - 1)
    size = np.floor((high - low).sum(1) / 2 * POINTS_MARGIN * CROP_MARGIN)
    if (size < 1).any():
        raise ShapeError(
            f"the face of frame {int(np.argmin(size))} has no extent; check its points"
        )
    scale = (CROP_SIZE - 1) / size
    corner = (low + high) / 2 - size[:, None] / 2
    transforms = np.zeros((len(points), 3, 3))
    transforms[:, 0, 0] = transforms[:, 1, 1] = scale
    transforms[:, :2, 2] = -scale[:, None] * corner
    transforms[:, 2, 2] = 1
    return transforms


def warp_bilinear(images: Tensor, maps: Tensor, height: int, width: int) -> Tensor:
    """Images (T, C, height, width) whose pixel p shows the place map(p); 0 outside; pixel indices.

    Args:
        images: (T, C, H, W) real.
        maps: (T, 3, 3) affine, from indices of the result to indices of `images`.
        height: of the result.
        width: of the result.

    Source: as `skimage.transform.warp` with order 1 and a constant border of 0.
    """
    rows = torch.arange(height, dtype=torch.float64)
    columns = torch.arange(width, dtype=torch.float64)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    indices = torch.stack([x, y, torch.ones_like(x)], -1)  # (height, width, 3)
    places = torch.einsum("tab,hwb->thwa", maps.double().cpu()[:, :2], indices)
    most = torch.tensor([images.shape[-1] - 1, images.shape[-2] - 1], dtype=torch.float64)
    grid = (2 * places / most.clamp(min=1) - 1).to(images)
    return torch.nn.functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )


def crop_faces(
    images: np.ndarray, transforms: np.ndarray, device: torch.device | str = "cpu"
) -> Tensor:
    """Crops (T, 3, 224, 224) float32 RGB in [0, 1].

    Args:
        images: (T, H, W, 3) uint8 RGB.
        transforms: (T, 3, 3) from `crop_transforms`.
        device: where to crop.

    Source: spec `face_pipeline.md` 1.4, whose pictures have 256 pixels: one sample a pixel. A face
    at least 1.5 times as large as its crop is sampled as often as it has pixels and averaged, so
    that it does not alias.
    """
    pictures = torch.from_numpy(np.ascontiguousarray(images)).to(device).movedim(-1, 1)
    factors = np.maximum(np.rint(1 / transforms[:, 0, 0]), 1).astype(int)
    crops = torch.empty((len(images), 3, CROP_SIZE, CROP_SIZE), device=device)
    for factor in np.unique(factors):
        chosen = np.flatnonzero(factors == factor)
        finer = np.diag([1 / factor, 1 / factor, 1])
        finer[:2, 2] = 0.5 / factor - 0.5  # samples lie evenly around the pixel's centre
        back = torch.from_numpy(np.linalg.inv(transforms[chosen]) @ finer)
        side = CROP_SIZE * int(factor)
        sampled = warp_bilinear(pictures[chosen].float() / 255, back, side, side)
        crops[chosen] = torch.nn.functional.avg_pool2d(sampled, int(factor))
    return crops
