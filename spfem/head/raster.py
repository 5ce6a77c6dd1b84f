"""A batched z-buffer rasteriser on NVIDIA Warp: one launch for all frames, on CPU or CUDA."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cache

import torch
import warp as wp

from spfem.errors import ShapeError

NOTICE = b"Could not find or load the NVIDIA CUDA driver"


@cache
def start_warp() -> None:
    """Start Warp in this process; where torch sees no GPU, its notice of the same is left out.

    Warp writes the notice to file descriptor 2, in every process, and has no setting against it.
    All else that its start writes is passed on, and everything if the start fails. Where torch
    sees a GPU the notice would be news, and is kept. Called wherever Warp is about to draw; only
    the first call starts it.
    """
    wp.config.log_level = wp.LOG_ERROR
    if torch.cuda.is_available():
        wp.init()
        return
    sys.stderr.flush()
    kept, failed = os.dup(2), True
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            wp.init()
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if failed or NOTICE not in line:
                    os.write(2, line)


_FAR = 1e30


@dataclass(frozen=True)
class Raster:
    """What is seen at each pixel.

    Attributes:
        face: (T, H, W) int32 triangle index, -1 where there is none.
        barycentric: (T, H, W, 3) float32 place in the triangle, 0 where there is none.
        depth: (T, H, W) float32 depth in pixels, infinity where there is none.
    """

    face: torch.Tensor
    barycentric: torch.Tensor
    depth: torch.Tensor


@wp.func
def edge(a: wp.vec3, b: wp.vec3, x: float, y: float) -> float:
    """Twice the signed area of the triangle a, b, (x, y)."""
    return (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])


@wp.func
def _place(a: wp.vec3, b: wp.vec3, c: wp.vec3, x: float, y: float) -> wp.vec3:
    """Barycentric place of (x, y), with a negative entry outside."""
    area = edge(a, b, c[0], c[1])
    if wp.abs(area) < 1.0e-12:
        return wp.vec3(-1.0, -1.0, -1.0)
    return wp.vec3(edge(b, c, x, y) / area, edge(c, a, x, y) / area, edge(a, b, x, y) / area)


@wp.kernel
def _draw(
    points: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    depth: wp.array3d(dtype=wp.float32),
    face: wp.array3d(dtype=wp.int32),
    second_pass: int,
):
    frame, index = wp.tid()
    a = points[frame, triangles[index, 0]]
    b = points[frame, triangles[index, 1]]
    c = points[frame, triangles[index, 2]]
    height = depth.shape[1]
    width = depth.shape[2]
    left = wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])) - 0.5)), 0)
    right = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])) - 0.5)), width - 1)
    top = wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])) - 0.5)), 0)
    bottom = wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])) - 0.5)), height - 1)
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            w = _place(a, b, c, float(column) + 0.5, float(row) + 0.5)
            if w[0] >= 0.0 and w[1] >= 0.0 and w[2] >= 0.0:
                z = w[0] * a[2] + w[1] * b[2] + w[2] * c[2]
                if second_pass == 0:
                    wp.atomic_min(depth, frame, row, column, z)
                else:
                    nearest = depth[frame, row, column]
                    if z <= nearest + 1.0e-5 * (1.0 + wp.abs(nearest)):
                        wp.atomic_min(face, frame, row, column, index)


@wp.kernel
def _place_pixels(
    points: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    face: wp.array3d(dtype=wp.int32),
    depth: wp.array3d(dtype=wp.float32),
    barycentric: wp.array3d(dtype=wp.vec3),
    face_count: int,
):
    frame, row, column = wp.tid()
    index = face[frame, row, column]
    if index == face_count:
        face[frame, row, column] = -1
        depth[frame, row, column] = wp.inf
        barycentric[frame, row, column] = wp.vec3(0.0, 0.0, 0.0)
    else:
        a = points[frame, triangles[index, 0]]
        b = points[frame, triangles[index, 1]]
        c = points[frame, triangles[index, 2]]
        barycentric[frame, row, column] = _place(a, b, c, float(column) + 0.5, float(row) + 0.5)


def rasterise(points: torch.Tensor, triangles: torch.Tensor, height: int, width: int) -> Raster:
    """Find the nearest triangle at each pixel centre.

    Convention: the centre of the pixel in column c and row r is at (c + 0.5, r + 0.5); the
    smallest z wins; no face is culled; attributes are linear on a triangle (orthographic).
    Not differentiable: visibility is fixed, see `interpolate` for gradients of attributes.

    Args:
        points: (T, V, 3) float32 places in pixels, z in the same unit, on CPU or CUDA.
        triangles: (F, 3) int32 vertex indices, on the same device.
        height: of the image, pixels.
        width: of the image, pixels.

    Raises:
        ShapeError: if the shapes or types are not these.
    """
    if points.ndim != 3 or points.shape[-1] != 3 or points.dtype != torch.float32:
        raise ShapeError(f"points must be float32 (T, V, 3); got {points.dtype} {points.shape}")
    if triangles.ndim != 2 or triangles.shape[-1] != 3 or triangles.dtype != torch.int32:
        raise ShapeError(f"triangles must be int32 (F, 3); got {triangles.dtype} {triangles.shape}")
    start_warp()
    frames, faces = len(points), len(triangles)
    device = points.device
    shape = (frames, height, width)
    depth = torch.full(shape, _FAR, device=device)
    face = torch.full(shape, faces, dtype=torch.int32, device=device)
    barycentric = torch.empty((*shape, 3), device=device)
    warp_points = wp.from_torch(points.detach().contiguous(), dtype=wp.vec3)
    warp_triangles = wp.from_torch(triangles.contiguous())
    warp_depth, warp_face = wp.from_torch(depth), wp.from_torch(face)
    on = wp.device_from_torch(device)
    for second_pass in (0, 1):
        wp.launch(
            _draw,
            dim=(frames, faces),
            inputs=[warp_points, warp_triangles, warp_depth, warp_face, second_pass],
            device=on,
        )
    wp.launch(
        _place_pixels,
        dim=shape,
        inputs=[
            warp_points,
            warp_triangles,
            warp_face,
            warp_depth,
            wp.from_torch(barycentric, dtype=wp.vec3),
            faces,
        ],
        device=on,
    )
    return Raster(face, barycentric, depth)


def interpolate(raster: Raster, triangles: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
    """Attributes (T, H, W, C) at each pixel, 0 where there is no face; differentiable.

    Of vertices (V, C), shared by all frames, or (T, V, C).
    """
    seen = raster.face >= 0
    corners = triangles[raster.face.clamp(min=0).long()].long()  # (T, H, W, 3)
    if attributes.ndim == 2:
        values = attributes[corners]
    else:
        frame = torch.arange(len(attributes), device=attributes.device).view(-1, 1, 1, 1)
        values = attributes[frame, corners]
    blended = (raster.barycentric.unsqueeze(-1) * values).sum(-2)
    return blended * seen.unsqueeze(-1)
