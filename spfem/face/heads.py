"""The shape image as a differentiable function of the face units, to supervise what makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import Module

from spfem.face.align import CROP_CENTRE, CROP_SPAN
from spfem.face.mesh import face_mesh
from spfem.head.model import SKIN, HeadModel

if TYPE_CHECKING:
    from spfem.head.raster import Raster


ALBEDO = 180 / 255
LIGHT = 1.7


class ShapeRenderer(Module):
    """Draws frontal shape images of the face; knows the head's arrays as buffers.

    Which triangle a pixel shows is fixed by the rasteriser at the present face units; its place
    in the triangle, normals and shading carry the gradient, so that it is exact inside the face
    and missing only at silhouettes and where one part begins to hide another.

    Args:
        head: the model.
        size: S of the square images, pixels.
    """

    mean: Tensor
    identity_basis: Tensor
    expression_basis: Tensor
    extent: Tensor
    triangles: Tensor
    albedo: Tensor
    lights: Tensor

    def __init__(self, head: HeadModel, size: int):
        super().__init__()
        mesh = face_mesh(head)
        self.size = size
        arrays = {
            "mean": mesh.mean,
            "identity_basis": mesh.identity_basis.reshape(len(mesh.identity_basis), -1),
            "expression_basis": mesh.expression_basis.reshape(len(mesh.expression_basis), -1),
            "extent": mesh.extent[:, None],
            "triangles": mesh.triangles,
            "albedo": (ALBEDO * (mesh.region == SKIN) + 0.4 * ALBEDO * (mesh.region != SKIN)),
        }
        for name, array in arrays.items():
            tensor = torch.from_numpy(array)
            tensor = tensor.float() if tensor.is_floating_point() else tensor
            self.register_buffer(name, tensor, persistent=False)
        lights = torch.tensor([[-1, -1, -1], [1, -1, -1], [-1, 1, -1], [1, 1, -1], [0, 0, -1.0]])
        self.register_buffer("lights", lights / lights.norm(dim=1, keepdim=True), persistent=False)

    def forward(
        self, identity: Tensor, expression: Tensor, rotation: Tensor | None = None
    ) -> Tensor:
        """Shape images (B, 3, S, S) in [-1, 1], grey, -1 outside the face.

        Args:
            identity: (I,) or (B, I).
            expression: (B, E) face units; carries the gradient.
            rotation: (B, 3, 3) of the head, or None for frontal.
        """
        from spfem.head.raster import Raster, interpolate, rasterise

        count = len(expression)
        places = (
            self.mean
            + (identity @ self.identity_basis).view(-1, *self.mean.shape)
            + (expression @ self.expression_basis).view(count, *self.mean.shape)
        )
        if rotation is not None:
            places = places @ rotation.mT
        shift = places.new_tensor([*CROP_CENTRE, 0.0])
        half = places.new_tensor([self.size / 2, self.size / 2, 0.0])
        pixels = (places - shift) * (self.size / CROP_SPAN) + half
        raster = rasterise(pixels.detach().float(), self.triangles, self.size, self.size)
        exact = Raster(raster.face, self._places(raster, pixels), raster.depth)
        normals = interpolate(exact, self.triangles, self._normals(places))
        normals = torch.nn.functional.normalize(normals, dim=-1, eps=1e-6)
        shade = (normals @ self.lights.mT).clamp(0, 1).mean(-1) * LIGHT
        seen = (raster.face >= 0) & (interpolate(raster, self.triangles, self.extent)[..., 0] > 0)
        tone = self.albedo[raster.face.clamp(min=0).long()]
        image = (shade * tone * seen).clamp(0, 1) * 2 - 1
        return image[:, None].expand(-1, 3, -1, -1)

    def _places(self, raster: Raster, pixels: Tensor) -> Tensor:
        """Barycentric places (B, S, S, 3) of the pixel centres, as functions of the vertices."""
        corners = self.triangles[raster.face.clamp(min=0).long()].long()
        frame = torch.arange(len(pixels), device=pixels.device).view(-1, 1, 1, 1)
        x, y = pixels[..., :2][frame, corners].unbind(-1)  # (B, S, S, 3)
        centre = torch.arange(self.size, device=pixels.device, dtype=pixels.dtype) + 0.5
        right, below = x - centre[:, None], y - centre[:, None, None]
        areas = torch.stack(
            [
                right[..., 1] * below[..., 2] - right[..., 2] * below[..., 1],
                right[..., 2] * below[..., 0] - right[..., 0] * below[..., 2],
                right[..., 0] * below[..., 1] - right[..., 1] * below[..., 0],
            ],
            -1,
        )
        total = areas.sum(-1, keepdim=True)
        return areas / torch.where(total.abs() < 1e-9, torch.ones_like(total), total)

    def _normals(self, places: Tensor) -> Tensor:
        """Area-weighted vertex normals (B, U, 3)."""
        corners = self.triangles.long()
        first, second, third = (places[:, corners[:, corner]] for corner in range(3))
        face_normals = torch.linalg.cross(second - first, third - first)
        normals = torch.zeros_like(places)
        for corner in range(3):
            normals = normals.index_add(1, corners[:, corner], face_normals)
        return torch.nn.functional.normalize(normals, dim=-1, eps=1e-9)
