"""FLAME's skin laid out in the plane: which place of the mesh each texel shows, found once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spfem.flame.uv_file import MAP_SIZE, HeadTemplate
from spfem.head.rasterise import rasterise

ROWS, COLUMNS = (5, 250), (2, 253)  # of the texels that carry detail: [first, last)
NORMAL_EPS = 1e-6


class SkinMap(nn.Module):
    """Carries attributes of vertices to texels.

    Args:
        template: topology of the mesh and of its map.

    Source: spec `face_pipeline.md` 2.5: u to the right, v up, 256 x 256 texels.
    """

    corners: Tensor
    places: Tensor

    def __init__(self, template: HeadTemplate) -> None:
        super().__init__()
        flat = torch.from_numpy(template.places) * torch.tensor([1.0, -1.0]) + torch.tensor(
            [0.0, 1.0]
        )
        points = torch.nn.functional.pad(flat * MAP_SIZE, (0, 1))[None]
        raster = rasterise(points, torch.from_numpy(template.map_triangles), MAP_SIZE, MAP_SIZE)
        seen = raster.face[0].clamp(min=0).long()
        self.register_buffer("corners", torch.from_numpy(template.triangles).long()[seen])
        self.register_buffer("places", raster.barycentric[0])  # 0 where there is no skin

    def forward(self, attributes: Tensor) -> Tensor:
        """Map (B, V, C) to (B, 256, 256, C); 0 where there is no skin; differentiable."""
        places = self.places.to(attributes.dtype)
        # One corner after the other, so that no (B, 256, 256, 3, C) is held.
        return sum(
            attributes[:, self.corners[..., corner]] * places[..., corner, None]
            for corner in range(3)
        )  # type: ignore[return-value]


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals (B, V, 3), each triangle weighing by its area.

    Args:
        vertices: (B, V, 3).
        triangles: (F, 3) integer.
    """
    a, b, c = (vertices[:, triangles[:, corner].long()] for corner in range(3))
    across = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals.index_add_(1, triangles[:, corner].long(), across)
    return torch.nn.functional.normalize(normals, dim=-1, eps=NORMAL_EPS)


def texel_normals(places: Tensor) -> Tensor:
    """Unit normals (B, 256, 256, 3) of the texels seen as a mesh, 0 on its margin.

    Two triangles a square of four texels a b / c d, cut from b to c and turned so that normals of
    FLAME's skin point outwards: 122 990 triangles, never listed, because neighbours in a grid are
    shifts of it.

    Args:
        places: (B, 256, 256, 3) of the texels.

    Source: spec `face_pipeline.md` 2.6, which does not say which way a square is cut.
    """
    rows, columns = slice(*ROWS), slice(*COLUMNS)
    below, beside = slice(ROWS[0] + 1, ROWS[1] + 1), slice(COLUMNS[0] + 1, COLUMNS[1] + 1)
    a, b = places[:, rows, columns], places[:, rows, beside]
    c, d = places[:, below, columns], places[:, below, beside]
    first = torch.linalg.cross(c - a, b - a)
    second = torch.linalg.cross(c - b, d - b)
    normals = torch.zeros_like(places)
    normals[:, rows, columns] += first
    normals[:, rows, beside] += first + second
    normals[:, below, columns] += first + second
    normals[:, below, beside] += second
    return torch.nn.functional.normalize(normals, dim=-1, eps=NORMAL_EPS)
