"""The part of the head mesh that is the face, and its shape image with a gradient.

Condition images and masks show this mesh. `ShapeRenderer` draws it as a differentiable function of
the face units, to supervise what makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import normalize

from spfem.face.align import CROP_CENTRE, CROP_SPAN
from spfem.face.landmarks import FACE_OVAL, LEFT_IRIS, RIGHT_IRIS
from spfem.head.model import LASHES, SKIN, HeadModel

if TYPE_CHECKING:
    from spfem.head.raster import Raster

OVAL_GROWTH = 1.03  # of the tracked outline about its centre
DEEPEST = -0.05  # depth on the mean head at which the face ends before the ears and the neck
WHOLE = 0.05  # extent of eyes and mouth interior, which belong to the face anywhere


@dataclass(frozen=True)
class FaceMesh:
    """A compact mesh of face skin, eyes and mouth interior, without lashes, ears and neck.

    Attributes:
        vertices: (U,) indices into the head's vertices.
        triangles: (G, 3) int32, into `vertices`.
        region: (G,) int32, as `HeadModel.region`.
        mean: (U, 3) mean head.
        identity_basis: (I, U, 3).
        expression_basis: (E, U, 3).
        coordinates: (U, 3) in [0, 1]: mean head, min-max normalised per axis over the face.
        iris: (2, 3) centre x, y and radius of the right and left iris on the mean head.
        extent: (U,) signed distance inside the face's outline; below 0 nothing is drawn.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    region: np.ndarray
    mean: np.ndarray
    identity_basis: np.ndarray
    expression_basis: np.ndarray
    coordinates: np.ndarray
    iris: np.ndarray
    extent: np.ndarray


def face_mesh(head: HeadModel) -> FaceMesh:
    """Cut the face out of the head: skin that looks forward inside the tracked outline.

    Source of `coordinates`: NED's NMFC (colour is the place on the unposed mean head), there over
    the whole head, here over the face, which uses the colour range fully.
    """
    marks = head.landmarks(head.mean)
    extent = _extent(head.mean, marks[list(FACE_OVAL), :2])
    corners = head.mean[head.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] < 0
    is_skin = head.region == SKIN
    skin = is_skin & facing & (extent[head.triangles].max(1) > 0)
    kept = skin | (~is_skin & (head.region != LASHES))
    vertices, triangles = np.unique(head.triangles[kept], return_inverse=True)
    inside = np.unique(head.triangles[kept & ~is_skin])
    extent[inside] = np.maximum(extent[inside], WHOLE)
    mean = head.mean[vertices]
    low, high = mean.min(0), mean.max(0)
    return FaceMesh(
        vertices,
        triangles.reshape(-1, 3).astype(np.int32),
        head.region[kept].astype(np.int32),
        mean,
        head.identity_basis[:, vertices],
        head.expression_basis[:, vertices],
        ((mean - low) / (high - low)).astype(np.float32),
        np.stack([_iris(marks, RIGHT_IRIS), _iris(marks, LEFT_IRIS)]),
        extent[vertices].astype(np.float32),
    )


def _extent(places: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Distance (V,) inside the outline (N, 2), negative outside or behind the face."""
    import cv2  # not of the light install

    polygon = (outline.mean(0) + (outline - outline.mean(0)) * OVAL_GROWTH).astype(np.float32)
    across = [cv2.pointPolygonTest(polygon, (float(x), float(y)), True) for x, y in places[:, :2]]
    return np.minimum(across, DEEPEST - places[:, 2])


def _iris(marks: np.ndarray, indices: tuple[int, ...]) -> np.ndarray:
    centre, *ring = marks[list(indices), :2]
    radius = np.linalg.norm(np.array(ring) - centre, axis=1).mean()
    return np.array([*centre, radius], np.float32)


ALBEDO = 180 / 255
LIGHT = 1.7


class ShapeRenderer(Module):
    """Draws frontal shape images of the face, S pixels a side; knows the head's arrays as buffers.

    Which triangle a pixel shows is fixed by the rasteriser at the present face units; its place
    in the triangle, normals and shading carry the gradient, so that it is exact inside the face
    and missing only at silhouettes and where one part begins to hide another.
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

        Identity is (I,) or (B, I); face units (B, E) carry the gradient; the rotation of the head
        is (B, 3, 3), or None for frontal.
        """
        from spfem.head.raster import Raster, interpolate, rasterise  # not of the light install

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
        normals = normalize(normals, dim=-1, eps=1e-6)
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
        return normalize(normals, dim=-1, eps=1e-9)
