"""The mean look of a face, gathered onto the chart of its mesh; and a fit drawn on a frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch.nn.functional import grid_sample

from spfem.errors import InputError
from spfem.face.camera import Pose, project
from spfem.face.conditions import TEXTURE_LAYER, Codes, ConditionPainter, aligned_vertices
from spfem.face.mesh import FaceMesh
from spfem.face.track import FaceTrack
from spfem.head.model import LOWER_TEETH, MOUTH_CAVITY, SKIN, TONGUE, HeadModel
from spfem.head.raster import rasterise


def overlay(
    frame: np.ndarray,
    head: HeadModel,
    codes: Codes,
    index: int,
    *,
    landmarks: np.ndarray | None = None,
    enlargement: int = 3,
) -> np.ndarray:
    """Draw the fitted mesh (white wires) and tracked landmarks (green) over one frame.

    The frame (H, W, 3) RGB is number `index` of the clip that the codes are of; landmarks are
    (478, 2 or 3) or None. The picture is `enlargement` times as large.
    """
    picture = cv2.resize(frame, None, fx=enlargement, fy=enlargement, interpolation=cv2.INTER_CUBIC)
    one = slice(index, index + 1)
    pose = Pose.of(codes.rotation[one], codes.scale[one], codes.translation[one])
    vertices = torch.from_numpy(head.vertices(codes.identity, codes.expression[one]))
    points = project(vertices, pose)[0].numpy() * enlargement
    corners = points[head.triangles]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    facing = np.cross(second - first, third - first)[:, 2] < 0
    near = head.mean[head.triangles][..., 2].max(1) < -0.1
    chosen = (
        facing & near & (head.region == SKIN) & (head.mean[head.triangles][..., 1].max(1) < 0.36)
    )
    wires = picture.copy()
    lines = [np.round(corner[:, :2] * 16).astype(np.int32) for corner in corners[chosen]]
    cv2.polylines(wires, lines, True, (255, 255, 255), 1, cv2.LINE_AA, 4)
    picture = cv2.addWeighted(wires, 0.45, picture, 0.55, 0)
    for x, y in [] if landmarks is None else landmarks[:, :2] * enlargement:
        cv2.circle(picture, (round(x), round(y)), 1, (40, 255, 40), -1, cv2.LINE_AA)
    return picture


LAYERS = 5  # skin, eyes, mouth cavity, tongue, teeth
LOOKED_AT = 24  # frames in all, evenly spread over the clips
SHARPNESS = 2  # texture pixels per face pixel and side
DEPTH_TOLERANCE = 0.015  # of the square, behind the nearest surface
SEEN_SHARE = 0.03  # of a layer, below which it counts as never seen
UNSEEN = {MOUTH_CAVITY: (52, 22, 22), TONGUE: (150, 78, 76), LOWER_TEETH: (196, 186, 172)}
"""Colours (RGB) of mouth parts that the clip never shows, on skin of brightness 170."""


class _Texels:
    """The places of the mesh that texture pixels show: layer, pixel, triangle, barycentric."""

    def __init__(self, mesh: FaceMesh, size: int):
        layer_of = np.array(TEXTURE_LAYER)[mesh.region]
        chart = np.column_stack([mesh.chart * size, mesh.mean[:, 2] * size]).astype(np.float32)
        rows: list[tuple[np.ndarray, ...]] = []
        for layer in range(LAYERS):
            kept = np.flatnonzero(layer_of == layer)
            raster = rasterise(
                torch.from_numpy(chart[None]), torch.from_numpy(mesh.triangles[kept]), size, size
            )
            face = raster.face[0].numpy()
            at = np.flatnonzero(face.ravel() >= 0)
            triangle = kept[face.ravel()[at]]
            weights = raster.barycentric[0].numpy().reshape(-1, 3)[at]
            rows.append((np.full(len(at), layer), at, triangle, weights))
        self.layer, self.pixel, self.triangle, self.weights = (
            np.concatenate(column) for column in zip(*rows, strict=True)
        )


def face_texture(painter: ConditionPainter, tracks: Sequence[FaceTrack]) -> np.ndarray:
    """Mean colour of each place of one person's face over the frames that show it.

    Places count by how much they face the camera, and only where the mesh does not hide them.
    Parts never seen take the nearest seen colour of their layer; mouth parts that no clip shows
    take fixed colours, scaled with the brightness of the skin.

    Args:
        painter: holds the mesh; its face size must be that of the tracks.
        tracks: one or more clips of the same person in the same light.

    Returns:
        (5, M, M, 3) uint8 RGB: skin, eyes, mouth cavity, tongue, teeth; M twice the face size.

    Raises:
        InputError: if there is no track.
    """
    if not tracks:
        raise InputError("the face texture needs at least one track")
    size = painter.face_size * SHARPNESS
    texels = _Texels(painter.mesh, size)
    total = sum(_gather(painter, texels, track, len(tracks)) for track in tracks)
    return _fill(texels, np.asarray(total), size)


def _gather(
    painter: ConditionPainter, texels: _Texels, track: FaceTrack, tracks: int
) -> np.ndarray:
    """Weighted sum of RGB, and of the weights, (N, 4) over some frames of a track."""
    mesh, size = painter.mesh, painter.face_size
    count = max(LOOKED_AT // tracks, 4)
    chosen = np.unique(np.linspace(0, len(track) - 1, count).round().astype(int))
    points = aligned_vertices(mesh, track, track.expression)[chosen].contiguous()
    raster = painter.raster(points)
    face, depth = raster.face.cpu(), raster.depth.cpu()
    corner_index = torch.from_numpy(mesh.triangles[texels.triangle].astype(np.int64))
    weights = torch.from_numpy(texels.weights)
    region = torch.from_numpy(mesh.region)
    wanted = region[torch.from_numpy(texels.triangle)]
    total = torch.zeros(len(corner_index), 4)
    for index, frame in enumerate(chosen):
        corners = points[index][corner_index]  # (N, 3, 3)
        place = (corners * weights[..., None]).sum(1)
        normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        facing = -normal[:, 2] / normal.norm(dim=-1).clamp(min=1e-9)
        column, row = place[:, 0].long(), place[:, 1].long()
        inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
        column, row = column.clamp(0, size - 1), row.clamp(0, size - 1)
        seen = face[index, row, column]
        near = place[:, 2] < depth[index, row, column] + DEPTH_TOLERANCE * size
        same = (seen >= 0) & (region[seen.clamp(min=0).long()] == wanted)
        weight = facing.clamp(min=0).square() * (inside & near & same)
        grid = (place[None, None, :, :2] * 2 / size) - 1
        picture = torch.from_numpy(track.faces[frame]).permute(2, 0, 1)[None].float()
        colour = grid_sample(picture, grid, align_corners=False, padding_mode="border")[0, :, 0].mT
        total += torch.cat([colour * weight[:, None], weight[:, None]], 1)
    return total.numpy()


def _fill(texels: _Texels, total: np.ndarray, size: int) -> np.ndarray:
    known = total[:, 3] > 0.05
    colours = total[:, :3] / np.maximum(total[:, 3:], 1e-9)
    skin = known & (texels.layer == TEXTURE_LAYER[SKIN])
    brightness = colours[skin].mean() if skin.any() else 170.0
    texture = np.zeros((LAYERS, size * size, 3))
    unseen = {TEXTURE_LAYER[part]: np.array(colour) for part, colour in UNSEEN.items()}
    for layer in range(LAYERS):
        own = texels.layer == layer
        use = own & known
        if use.sum() < max(SEEN_SHARE * own.sum(), 1):
            texture[layer] = unseen.get(layer, np.zeros(3)) * (brightness / 170)
            continue
        empty = np.ones(size * size, bool)
        empty[texels.pixel[use]] = False
        texture[layer, texels.pixel[use]] = colours[use]
        rows, columns = distance_transform_edt(
            empty.reshape(size, size), return_distances=False, return_indices=True
        )
        texture[layer] = texture[layer][(rows * size + columns).ravel()]
    return np.clip(texture + 0.5, 0, 255).astype(np.uint8).reshape(LAYERS, size, size, 3)
