"""Draws all condition images of a clip from one rasterisation, in one Warp launch."""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})

ALBEDO = wp.constant(180.0)
LIGHT = wp.constant(1.7)
FACING = wp.constant(0.15)  # normals that point further away from the camera are not drawn
DIAGONAL = wp.constant(0.57735027)
REGION_EYE = wp.constant(1)
REGION_LOWER_TEETH = wp.constant(5)


@wp.kernel
def add_normals(
    points: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    normals: wp.array2d(dtype=wp.vec3),
):
    """Add the area-weighted normal of each triangle to its three vertices."""
    frame, index = wp.tid()
    i = triangles[index, 0]
    j = triangles[index, 1]
    k = triangles[index, 2]
    a = points[frame, i]
    normal = wp.cross(points[frame, j] - a, points[frame, k] - a)
    wp.atomic_add(normals, frame, i, normal)
    wp.atomic_add(normals, frame, j, normal)
    wp.atomic_add(normals, frame, k, normal)


@wp.func
def shade(normal: wp.vec3) -> float:
    """Mean of five directional lights: four diagonal ones and one from the camera."""
    x = normal[0] * DIAGONAL
    y = normal[1] * DIAGONAL
    z = -normal[2] * DIAGONAL
    total = wp.clamp(z - x - y, 0.0, 1.0) + wp.clamp(z + x - y, 0.0, 1.0)
    total += wp.clamp(z - x + y, 0.0, 1.0) + wp.clamp(z + x + y, 0.0, 1.0)
    total += wp.clamp(-normal[2], 0.0, 1.0)
    return total * 0.2 * LIGHT * ALBEDO


@wp.func
def byte(value: float) -> wp.uint8:
    """Nearest grey level."""
    return wp.uint8(wp.clamp(value, 0.0, 255.0) + 0.5)


@wp.func
def covered_by(
    index: int, w: wp.vec3, triangles: wp.array2d(dtype=wp.int32), extent: wp.array(dtype=float)
) -> bool:
    """Whether the place in a triangle lies inside the face's outline."""
    if index < 0:
        return False
    value = extent[triangles[index, 0]] * w[0] + extent[triangles[index, 1]] * w[1]
    return value + extent[triangles[index, 2]] * w[2] > 0.0


@wp.kernel
def draw_mask(
    face: wp.array3d(dtype=wp.int32),
    barycentric: wp.array3d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    extent: wp.array(dtype=float),
    mask: wp.array3d(dtype=wp.uint8),
):
    """255 where the face is seen."""
    frame, row, column = wp.tid()
    index = face[frame, row, column]
    mask[frame, row, column] = wp.uint8(0)
    if covered_by(index, barycentric[frame, row, column], triangles, extent):
        mask[frame, row, column] = wp.uint8(255)


@wp.kernel
def draw_conditions(
    face: wp.array3d(dtype=wp.int32),
    barycentric: wp.array3d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    extent: wp.array(dtype=float),
    region: wp.array(dtype=wp.int32),
    mean: wp.array(dtype=wp.vec3),
    coordinates: wp.array(dtype=wp.vec3),
    iris: wp.array(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
    samples: int,
    nmfc: wp.array4d(dtype=wp.uint8),
    shape: wp.array4d(dtype=wp.uint8),
    eye: wp.array4d(dtype=wp.uint8),
    mask: wp.array3d(dtype=wp.uint8),
):
    """Average the samples of one pixel of one frame into the four images."""
    frame, row, column = wp.tid()
    share = 1.0 / float(samples * samples)
    sum_coordinates = wp.vec3(0.0, 0.0, 0.0)
    sum_eye = wp.vec3(0.0, 0.0, 0.0)
    sum_shade = float(0.0)  # noqa: UP018  (a variable in Warp)
    covered = float(0.0)  # noqa: UP018
    for i in range(samples):
        for j in range(samples):
            index = face[frame, row * samples + i, column * samples + j]
            w = barycentric[frame, row * samples + i, column * samples + j]
            if covered_by(index, w, triangles, extent):
                a = triangles[index, 0]
                b = triangles[index, 1]
                c = triangles[index, 2]
                part = region[index]
                covered += share
                normal = wp.normalize(
                    normals[frame, a] * w[0] + normals[frame, b] * w[1] + normals[frame, c] * w[2]
                )
                if normal[2] < FACING:
                    sum_shade += shade(normal) * share
                    sum_coordinates += (
                        coordinates[a] * w[0] + coordinates[b] * w[1] + coordinates[c] * w[2]
                    ) * share
                if part == REGION_EYE:
                    sum_eye += wp.vec3(0.0, share, 0.0)
                    rest = mean[a] * w[0] + mean[b] * w[1] + mean[c] * w[2]
                    side = iris[0]
                    if rest[0] > 0.0:
                        side = iris[1]
                    distance = wp.length(wp.vec2(rest[0] - side[0], rest[1] - side[1]))
                    if distance < side[2]:
                        sum_eye += wp.vec3(share, 0.0, 0.0)
                elif part > REGION_EYE and part <= REGION_LOWER_TEETH:
                    sum_eye += wp.vec3(0.0, 0.0, share)
    for channel in range(3):
        nmfc[frame, row, column, channel] = byte(sum_coordinates[channel] * 255.0)
        shape[frame, row, column, channel] = byte(sum_shade)
        eye[frame, row, column, channel] = byte(sum_eye[channel] * 255.0)
    mask[frame, row, column] = byte(covered * 255.0)
