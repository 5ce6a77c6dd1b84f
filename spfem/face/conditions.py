"""Condition images: what the fitted head looks like in the aligned square, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import warp as wp

from spfem.errors import ShapeError
from spfem.face.camera import rotation_matrix
from spfem.face.fit import HeadTrack
from spfem.face.mesh import FaceMesh, face_mesh
from spfem.face.shading import add_normals, draw_conditions, draw_mask
from spfem.head.model import HeadModel
from spfem.head.raster import Raster, rasterise, start_warp

SAMPLES = 2  # per pixel side
CHUNK_FRAMES = 64  # drawn at once, which bounds the memory
MASKED_FRAMES = 32  # likewise of masks; the rasteriser needs 16 bytes a pixel


@dataclass(frozen=True)
class ConditionImages:
    """The condition images of T frames, all uint8.

    Attributes:
        nmfc: (T, S, S, 3) normalised mean face coordinates x, y, z; black outside the face.
        shape: (T, S, S, 3) grey face under five lights.
        eye: (T, S, S, 3) iris red, eye opening green, mouth opening blue.
        mask: (T, S, S) 255 where the face is drawn, else 0.
    """

    nmfc: np.ndarray
    shape: np.ndarray
    eye: np.ndarray
    mask: np.ndarray

    def stacked(self) -> np.ndarray:
        """All channels (T, S, S, 10): NMFC, eye, shape, mask."""
        return np.concatenate([self.nmfc, self.eye, self.shape, self.mask[..., None]], -1)


def aligned_vertices(mesh: FaceMesh, codes: HeadTrack, expression: np.ndarray) -> torch.Tensor:
    """Vertices (T, U, 3) float32 in aligned pixels, depth in the same unit."""
    count = len(expression)
    resting = mesh.mean + np.tensordot(codes.identity, mesh.identity_basis, 1)
    basis = torch.from_numpy(mesh.expression_basis).reshape(len(mesh.expression_basis), -1)
    moved = torch.from_numpy(np.ascontiguousarray(expression, np.float32)) @ basis
    places = torch.from_numpy(resting.astype(np.float32)) + moved.view(count, -1, 3)
    camera = rotation_matrix(torch.from_numpy(codes.rotation)).numpy() * codes.scale[:, None, None]
    linear = codes.align[:, :, :2]
    size = np.sqrt(np.abs(np.linalg.det(linear)))
    turned = np.concatenate([linear @ camera[:, :2], size[:, None, None] * camera[:, 2:]], 1)
    shift = np.einsum("tab,tb->ta", linear, codes.translation) + codes.align[:, :, 2]
    offset = np.pad(shift, ((0, 0), (0, 1))).astype(np.float32)
    return (
        places @ torch.from_numpy(turned.astype(np.float32)).mT + torch.from_numpy(offset)[:, None]
    )


class ConditionPainter:
    """Draws condition images at one size S, pixels; holds the mesh on the CPU or a GPU."""

    def __init__(self, head: HeadModel, face_size: int, device: torch.device | str = "cpu"):
        start_warp()
        self.mesh = face_mesh(head)
        self.face_size = face_size
        self.device = torch.device(device)
        self.triangles = torch.from_numpy(self.mesh.triangles).to(self.device)

    @cached_property
    def _constants(self) -> list[Any]:
        def on_device(array: np.ndarray, kind: type) -> wp.array:
            return wp.array(array, dtype=kind, device=wp.device_from_torch(self.device))

        mesh = self.mesh
        return [
            wp.from_torch(self.triangles),
            on_device(mesh.extent, float),
            on_device(mesh.region, wp.int32),
            on_device(mesh.mean, wp.vec3),
            on_device(mesh.coordinates, wp.vec3),
            on_device(mesh.iris, wp.vec3),
        ]

    def raster(self, points: torch.Tensor, samples: int = 1) -> Raster:
        """Rasterise vertices (T, U, 3) in aligned pixels, `samples` per pixel side."""
        side = self.face_size * samples
        return rasterise(points.to(self.device) * samples, self.triangles, side, side)

    def _launch(self, kernel: wp.Kernel, size: tuple[int, ...], inputs: list[Any]) -> None:
        wp.launch(kernel, dim=size, inputs=inputs, device=wp.device_from_torch(self.device))

    def _empty(self, *size: int) -> wp.array:
        return wp.empty(size, dtype=wp.uint8, device=wp.device_from_torch(self.device))

    def masks(self, points: torch.Tensor) -> np.ndarray:
        """Masks uint8 (T, S, S) of vertices (T, U, 3) in aligned pixels, 255 on the face."""
        masks = []
        for part in points.split(MASKED_FRAMES):
            raster = self.raster(part)
            masks.append(self._empty(*raster.face.shape))
            seen = [wp.from_torch(raster.face), wp.from_torch(raster.barycentric, dtype=wp.vec3)]
            self._launch(draw_mask, masks[-1].shape, [*seen, *self._constants[:2], masks[-1]])
        return np.concatenate([mask.numpy() for mask in masks])

    def paint(self, codes: HeadTrack, *, expression: np.ndarray | None = None) -> ConditionImages:
        """Draw all frames in aligned space.

        Source: NED (NMFC, shape image under five lights with albedo 180/255, eye image).
        Departures: drawn directly in aligned space with 2 x 2 samples a pixel instead of warped
        there; coarse normals (the detail normals need DECA); the eye image shows the visible iris
        instead of a disc, and the openings of eyes and mouth.

        Args:
            codes: of T frames.
            expression: (T, E) face units in place of those of `codes`, for an edit.

        Raises:
            ShapeError: if `expression` has another shape than that of `codes`.
        """
        units = codes.expression if expression is None else expression
        if units.shape != codes.expression.shape:
            raise ShapeError(
                f"expression is {units.shape}; the codes need {codes.expression.shape}"
            )
        points = aligned_vertices(self.mesh, codes, units).contiguous()
        parts = [
            self._paint_chunk(points[start : start + CHUNK_FRAMES])
            for start in range(0, len(points), CHUNK_FRAMES)
        ]
        nmfc, shape, eye, covered = (np.concatenate(part) for part in zip(*parts, strict=True))
        mask = np.where(covered >= 128, 255, 0).astype(np.uint8)
        return ConditionImages(nmfc, shape, eye, mask)

    def _paint_chunk(self, points: torch.Tensor) -> list[np.ndarray]:
        points = points.to(self.device)
        raster = self.raster(points, SAMPLES)
        normals = wp.from_torch(torch.zeros_like(points), dtype=wp.vec3)
        places = wp.from_torch(points, dtype=wp.vec3)
        corners = (len(points), len(self.triangles))
        self._launch(add_normals, corners, [places, self._constants[0], normals])
        size = (len(points), self.face_size, self.face_size)
        images = [*(self._empty(*size, 3) for _ in range(3)), self._empty(*size)]
        inputs = [
            wp.from_torch(raster.face),
            wp.from_torch(raster.barycentric, dtype=wp.vec3),
            *self._constants,
            normals,
            SAMPLES,
        ]
        self._launch(draw_conditions, size, [*inputs, *images])
        return [image.numpy() for image in images]
