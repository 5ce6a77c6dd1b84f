"""What a rasterised mesh shows in a window of the frame, and pixels looked up in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from spfem.precision import upload


class Raster(Protocol):
    """What is seen at each pixel centre; see `spfem.head.raster.Raster`."""

    @property
    def face(self) -> Tensor:
        """(B, H, W) triangle index, -1 where there is none."""
        ...

    @property
    def barycentric(self) -> Tensor:
        """(B, H, W, 3) place in the triangle."""
        ...

    @property
    def depth(self) -> Tensor:
        """(B, H, W) depth, infinity where there is none."""
        ...


Rasterise = Callable[[Tensor, Tensor, int, int], Raster]
"""Vertices (B, U, 3) in pixels of the picture, triangles (G, 3) int32, height, width."""


@dataclass(frozen=True)
class OpeningBox:
    """Where the edited faces of a batch show one opening: mouth or an eye.

    Attributes:
        layer: MOUTH, RIGHT_EYE or LEFT_EYE of `spfem.settings`.
        corners: B pairs (x, y) of the box's upper left corner, window pixels.
        height: of the box, pixels, equal in the batch.
        width: of the box, pixels.
    """

    layer: int
    corners: tuple[tuple[int, int], ...]
    height: int
    width: int

    def origins(self, like: Tensor) -> Tensor:
        """Corners (B, 1, 3) with depth 0, as a tensor of the type and device of `like`."""
        origins = torch.tensor([[(x, y, 0.0)] for x, y in self.corners], dtype=like.dtype)
        return upload(origins, like.device)

    def cut(self, pictures: Tensor) -> Tensor:
        """The boxes (B, C, height, width) of pictures (B, C, H, W)."""
        return torch.stack(
            [
                picture[:, y : y + self.height, x : x + self.width]
                for picture, (x, y) in zip(pictures, self.corners, strict=True)
            ]
        )


@dataclass(frozen=True)
class MeshView:
    """A mesh drawn on a grid.

    Attributes:
        triangles: (G, 3) long, vertex indices.
        face: (B, H, W) long, triangle that each sample shows, 0 where there is none.
        barycentric: (B, H, W, 3) place in it.
        layer: (B, H, W) its layer, -2 where there is none.
        depth: (B, H, W) samples, infinity where there is none.
    """

    triangles: Tensor
    face: Tensor
    barycentric: Tensor
    layer: Tensor
    depth: Tensor

    @classmethod
    def of(cls, raster: Raster, triangles: Tensor, layers: Tensor, dtype: torch.dtype) -> MeshView:
        """Look up the layers (G,) of a raster's triangles (G, 3) long; floats become `dtype`."""
        face = raster.face.long()
        known = face.clamp(min=0)
        layer = torch.where(face >= 0, layers[known], torch.full_like(face, -2))
        return cls(triangles, known, raster.barycentric.to(dtype), layer, raster.depth.to(dtype))

    def interpolate(self, attributes: Tensor) -> Tensor:
        """Attributes (B, U, C) at each sample, as (B, C, H, W)."""
        batch, _, channels = attributes.shape
        faces = len(self.triangles)
        # One row a triangle is read at once, which is much faster than three vertices apart.
        rows = attributes[:, self.triangles].reshape(batch * faces, 3 * channels)
        start = torch.arange(batch, device=rows.device).view(-1, 1, 1) * faces
        corners = functional.embedding(self.face + start, rows).unflatten(-1, (3, channels))
        mixed = (self.barycentric[..., None, :] @ corners).squeeze(-2)
        return mixed.permute(0, 3, 1, 2)


def pixel_centres(size: Sequence[int], like: Tensor) -> Tensor:
    """Centres (1, 2, H, W), x then y, of the pixels of a size (H, W); the first is at 0.5."""
    height, width = size
    rows = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    columns = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y])[None]


def grid_places(places: Tensor, height: int, width: int) -> Tensor:
    """Places (..., 2, h, w), x then y, in pixels of H x W, as [-1, 1] of `grid_sample`."""
    # Filled, not copied: a GPU would be waited for.
    scale = places.new_full((2, 1, 1), 2 / width)
    scale[1].fill_(2 / height)
    return places * scale - 1


def look_up(pictures: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    """Values (B, C, h, w) of pictures (B, C, H, W) at places (B, 2, h, w) in their pixels.

    Beyond the border its pixels are repeated. `mode` is that of `grid_sample`.
    """
    grid = grid_places(places, *pictures.shape[-2:]).permute(0, 2, 3, 1)
    return functional.grid_sample(
        pictures, grid, mode=mode, padding_mode="border", align_corners=False
    )


def smooth_step(values: Tensor) -> Tensor:
    """Of values (...): 0 below 0, 1 above 1, a smooth cubic between."""
    clamped = values.clamp(0, 1)
    return clamped * clamped * (3 - 2 * clamped)


def mean_inside(values: Tensor, inside: Tensor, samples: int) -> Tensor:
    """Means (B, C, H, W) of finer values (B, C, sH, sW) where `inside` (B, 1, sH, sW) is 1."""
    weights = inside.to(values.dtype)
    total = functional.avg_pool2d(values * weights, samples)
    return total / functional.avg_pool2d(weights, samples).clamp(min=1e-6)
