"""Planted meshes: a flat sheet of triangles, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.head.raster import rasterise
from spfem.renderer.warp import MeshView
from spfem.settings import SKIN_LAYER


@dataclass(frozen=True)
class Sheet:
    """A square grid of vertices that faces the camera.

    Attributes:
        vertices: (1, N * N, 3) pixels, depth 0.
        triangles: (G, 3) int32.
    """

    vertices: Tensor
    triangles: Tensor

    def view(self, vertices: Tensor, height: int, width: int) -> MeshView:
        """The sheet at other places (1, N * N, 3), all of it skin."""
        points = vertices.detach().float().contiguous()
        raster = rasterise(points, self.triangles, height, width)
        layers = torch.full((len(self.triangles),), SKIN_LAYER)
        return MeshView.of(raster, self.triangles.long(), layers, vertices.dtype)


def flat_sheet(low: float, high: float, side: int = 9) -> Sheet:
    """A sheet between two pixel places of both axes."""
    line = np.linspace(low, high, side)
    y, x = np.meshgrid(line, line, indexing="ij")
    places = np.stack([x, y, np.zeros_like(x)], -1).reshape(1, -1, 3).astype(np.float32)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    first = np.stack([corner, corner + 1, corner + side], 1)
    second = np.stack([corner + 1, corner + side + 1, corner + side], 1)
    triangles = np.concatenate([first, second]).astype(np.int32)
    return Sheet(torch.from_numpy(places), torch.from_numpy(triangles))
