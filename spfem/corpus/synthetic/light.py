"""Noise, curves and the studio's light, as Warp functions shared by all materials."""

# Warp gives kernels their types, which mypy cannot follow.
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from spfem.corpus.synthetic.look import Look

wp.set_module_options({"enable_backward": False, "fast_math": True})


@wp.func
def smooth(low: float, high: float, x: float) -> float:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = wp.clamp((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def hashed(i: int, j: int, k: int) -> float:
    """A fixed random number in [0, 1) for an integer place."""
    h = wp.uint32(i * 374761393 + j * 668265263 + k * 1274126177)
    h = (h ^ (h >> wp.uint32(13))) * wp.uint32(1274126177)
    h = h ^ (h >> wp.uint32(16))
    return float(h & wp.uint32(65535)) / 65536.0


@wp.func
def noise(x: float, y: float, k: int) -> float:
    """Smooth value noise in [0, 1) over a plane; `k` chooses the plane."""
    i = int(wp.floor(x))
    j = int(wp.floor(y))
    u = x - float(i)
    v = y - float(j)
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    top = hashed(i, j, k) * (1.0 - u) + hashed(i + 1, j, k) * u
    low = hashed(i, j + 1, k) * (1.0 - u) + hashed(i + 1, j + 1, k) * u
    return top * (1.0 - v) + low * v


@wp.func
def power8(x: float) -> float:
    """Return x to the power 8, 0 for negative x."""
    y = wp.max(x, 0.0)
    y = y * y
    y = y * y
    return y * y


@wp.func
def wrapped(cosine: float, wrap: float) -> float:
    """Diffuse light that bleeds past the terminator by `wrap`."""
    return wp.max(cosine + wrap, 0.0) / (1.0 + wrap)


@wp.func
def light(
    look: Look, albedo: wp.vec3, normal: wp.vec3, shine: float, sharpness: float, bleed: float
) -> wp.vec3:
    """Key, fill, rim and sky light on a surface; `bleed` lets red wrap around edges."""
    key = wp.dot(normal, look.key_light)
    fill = normal[0] * -0.62 * wp.sign(look.key_light[0]) + normal[1] * -0.05 - normal[2] * 0.78
    rim = wp.max(1.0 + normal[2], 0.0)
    sky = 0.5 - 0.5 * normal[1]
    ambient = 0.13 + 0.17 * sky
    soft = 0.12 + 0.28 * bleed
    red = 0.98 * wrapped(key, soft + bleed * 0.9) + 0.30 * wrapped(fill, 0.3) + ambient
    green = 0.95 * wrapped(key, soft + bleed * 0.2) + 0.31 * wrapped(fill, 0.3) + ambient
    blue = 0.90 * wrapped(key, soft) + 0.33 * wrapped(fill, 0.3) + ambient * 1.05
    edge = rim * rim * rim * 0.35 * (0.4 + 0.6 * sky)
    colour = wp.cw_mul(albedo, wp.vec3(red + edge, green + edge, blue + edge * 1.1))
    half = wp.normalize(look.key_light + wp.vec3(0.0, 0.0, -1.0))
    glint = wp.pow(wp.max(wp.dot(normal, half), 0.0), sharpness)
    grazing = 0.6 + 1.6 * rim * rim
    return colour + wp.vec3(1.0, 0.97, 0.93) * (shine * glint * grazing)
