"""The Warp kernels that draw a person: visibility, light per pixel, reduction to frames.

Every colour is a function of the rest position of the surface point (its place on the mean head),
interpolated inside the triangle, so that brows, lips and irises move with the face. The skin's
paint is a chart over rest (x, y), see `spfem.studio.paint`. Light is linear until the
last kernel.
"""

from __future__ import annotations

import warp as wp

from spfem.head.raster import edge
from spfem.studio.materials import (
    PersonLook,
    background,
    cloth_colour,
    eye_colour,
    hair_colour,
    hairline_noise,
    is_lash,
    light,
    look_up,
    mouth_colour,
    skin_colour,
)

wp.set_module_options({"enable_backward": False, "fast_math": True})

NOTHING = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))
DEPTH_SHIFT = wp.constant(4096.0)  # pixels, so that depths are positive
DEPTH_STEPS = wp.constant(262144.0)  # per pixel
LASHES = wp.constant(6)
NECK = wp.constant(8)  # material of skin below the chin, bare or clothed
HAIR = wp.constant(7)  # material of the hair shell, beside the regions of the head model


@wp.kernel
def find_normals(
    points: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    first: wp.array(dtype=wp.int32),
    faces: wp.array(dtype=wp.int32),
    normals: wp.array2d(dtype=wp.vec3),
):
    """Area-weighted unit normal of each vertex from the triangles around it."""
    frame, vertex = wp.tid()
    total = wp.vec3(0.0, 0.0, 0.0)
    for k in range(first[vertex], first[vertex + 1]):
        f = faces[k]
        a = points[frame, triangles[f, 0]]
        total += wp.cross(points[frame, triangles[f, 1]] - a, points[frame, triangles[f, 2]] - a)
    normals[frame, vertex] = wp.normalize(total)


@wp.kernel
def find_visible(
    points: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    material: wp.array(dtype=wp.int32),
    rest: wp.array(dtype=wp.vec4),
    samples: int,
    nearest: wp.array3d(dtype=wp.uint64),
):
    """Keep at each sample the smallest (depth, triangle), packed into one key."""
    frame, index = wp.tid()
    scale = float(samples)
    a = points[frame, triangles[index, 0]] * scale
    b = points[frame, triangles[index, 1]] * scale
    c = points[frame, triangles[index, 2]] * scale
    area = edge(a, b, c[0], c[1])
    kind = material[index]
    if wp.abs(area) < 1.0e-9 or (area > 0.0 and kind != LASHES and kind != HAIR):
        return
    left = wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])) - 0.5)), 0)
    right = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])) - 0.5)), int(nearest.shape[2]) - 1)
    top = wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])) - 0.5)), 0)
    bottom = wp.min(
        int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])) - 0.5)), int(nearest.shape[1]) - 1
    )
    inverse = 1.0 / area
    for row in range(top, bottom + 1):
        y = float(row) + 0.5
        for column in range(left, right + 1):
            x = float(column) + 0.5
            u = edge(b, c, x, y) * inverse
            v = edge(c, a, x, y) * inverse
            w = 1.0 - u - v
            covered = u >= 0.0 and v >= 0.0 and w >= 0.0
            if covered and kind == LASHES:
                covered = is_lash(
                    rest[triangles[index, 0]] * u
                    + rest[triangles[index, 1]] * v
                    + rest[triangles[index, 2]] * w
                )
            if covered:
                z = (u * a[2] + v * b[2] + w * c[2]) / scale
                step = wp.clamp((z + DEPTH_SHIFT) * DEPTH_STEPS, 0.0, 4294960000.0)
                key = (wp.uint64(step) << wp.uint64(32)) | wp.uint64(index)
                wp.atomic_min(nearest, frame, row, column, key)


@wp.func
def sample_colour(
    key: wp.uint64,
    x: float,
    y: float,
    frame: int,
    points: wp.array2d(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    material: wp.array(dtype=wp.int32),
    rest: wp.array(dtype=wp.vec4),
    chart: wp.array2d(dtype=wp.vec4),
    look: PersonLook,
    height: float,
) -> wp.vec3:
    """Linear colour of what lies at (x, y), in frame pixels."""
    if key == NOTHING:
        return background(look, x / height, y / height)
    index = int(key & wp.uint64(0xFFFFFFFF))
    i = triangles[index, 0]
    j = triangles[index, 1]
    k = triangles[index, 2]
    a = points[frame, i]
    b = points[frame, j]
    c = points[frame, k]
    area = edge(a, b, c[0], c[1])
    u = wp.clamp(edge(b, c, x, y) / area, 0.0, 1.0)
    v = wp.clamp(edge(c, a, x, y) / area, 0.0, 1.0 - u)
    w = 1.0 - u - v
    place = rest[i] * u + rest[j] * v + rest[k] * w
    normal = wp.normalize(normals[frame, i] * u + normals[frame, j] * v + normals[frame, k] * w)
    if normal[2] > 0.0:
        normal = -normal
    kind = material[index]
    if kind == 0 or kind == NECK:
        cloth = cloth_colour(look, place)
        if cloth[3] > 0.5:
            return light(look, wp.vec3(cloth[0], cloth[1], cloth[2]), normal, 0.02, 6.0, 0.05)
        return skin_colour(look, place, normal, look_up(chart, place))
    if kind == 1:
        return eye_colour(look, place, normal)
    if kind == LASHES:
        return look.lash
    if kind == HAIR:
        if place[3] < hairline_noise(place):
            return skin_colour(look, place, normal, look_up(chart, place))
        return hair_colour(look, place, normal)
    return mouth_colour(look, place, normal, kind)


@wp.func
def kind_of(key: wp.uint64, material: wp.array(dtype=wp.int32)) -> int:
    """Material of a sample, -1 for the wall."""
    if key == NOTHING:
        return -1
    return material[int(key & wp.uint64(0xFFFFFFFF))]


@wp.func
def depth_of(key: wp.uint64) -> float:
    """Depth of a sample, in pixels and a fixed shift."""
    return float(key >> wp.uint64(32)) / DEPTH_STEPS


@wp.func
def encode(value: float) -> float:
    """Soft shoulder, then display gamma: linear [0, inf) to [0, 1]."""
    x = wp.max(value, 0.0)
    shaped = x * (1.0 + x * 0.12) / (1.0 + x * 0.35)
    return wp.pow(wp.min(shaped, 1.0), 1.0 / 2.2)


@wp.kernel
def draw(
    nearest: wp.array3d(dtype=wp.uint64),
    points: wp.array2d(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    material: wp.array(dtype=wp.int32),
    rest: wp.array(dtype=wp.vec4),
    chart: wp.array2d(dtype=wp.vec4),
    look: PersonLook,
    samples: int,
    frames: wp.array4d(dtype=wp.uint8),
):
    """Colour of one frame pixel: the mean over its samples; one shading where they agree."""
    frame, row, column = wp.tid()
    height = float(frames.shape[1])
    step = 1.0 / float(samples)
    first = nearest[frame, row * samples, column * samples]
    kind = kind_of(first, material)
    near = depth_of(first)
    alike = bool(True)  # noqa: UP018
    for i in range(samples):
        for j in range(samples):
            key = nearest[frame, row * samples + i, column * samples + j]
            alike = alike and kind_of(key, material) == kind
            alike = alike and wp.abs(depth_of(key) - near) < 2.0
    total = wp.vec3(0.0, 0.0, 0.0)
    count = float(0.0)  # noqa: UP018
    for i in range(samples):
        for j in range(samples):
            wanted = True
            x = float(column) + (float(j) + 0.5) * step
            y = float(row) + (float(i) + 0.5) * step
            if alike and kind == HAIR:
                wanted = i == j  # strands are finer than pixels: the diagonal samples them
            elif alike and kind <= 0:
                wanted = i + j == 0  # skin, cloth and wall are smooth inside a pixel
                x = float(column) + 0.5
                y = float(row) + 0.5
            if wanted:
                count += 1.0
                total += sample_colour(
                    nearest[frame, row * samples + i, column * samples + j],
                    x,
                    y,
                    frame,
                    points,
                    normals,
                    triangles,
                    material,
                    rest,
                    chart,
                    look,
                    height,
                )
    total = total / count
    state = wp.rand_init(look.seed + frame, row * 4096 + column)
    grain = (wp.randf(state) - 0.5) * look.grain
    for channel in range(3):
        value = encode(total[channel]) * 255.0 + grain + 0.5
        frames[frame, row, column, channel] = wp.uint8(wp.clamp(value, 0.0, 255.0))
