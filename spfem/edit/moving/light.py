"""The light on the face: how much brighter or darker the skin gets when its surface turns."""

from __future__ import annotations

import numpy as np

ROUNDS = 5  # of reweighting
LEAST_BRIGHTNESS = 20.0  # grey levels, which keep ratios meaningful in deep shade
RATIOS = (0.75, 1.3)  # beyond which the mesh is trusted no more
FACING = -0.3  # z of a normal that looks towards the camera enough


def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals (..., U, 3), area-weighted, of vertices (..., U, 3) and triangles (G, 3)."""
    first, second, third = (points[..., triangles[:, corner], :] for corner in range(3))
    flat = np.cross(second - first, third - first)
    total = np.zeros_like(points)
    by_vertex, by_triangle = np.moveaxis(total, -2, 0), np.moveaxis(flat, -2, 0)
    for corner in range(3):
        np.add.at(by_vertex, triangles[:, corner], by_triangle)
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-9)


def harmonics(normals: np.ndarray) -> np.ndarray:
    """The nine polynomials (..., 9) of second order of unit normals (..., 3).

    They hold all but about one percent of what a distant light does to a matte surface
    (Ramamoorthi and Hanrahan 2001).
    """
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)


def fit_light(normals: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Nine coefficients that give the brightness (N,) of places with normals (N, 3).

    Robust, since brows, lips and beard are no light: the sum of absolute differences is minimised
    by reweighting. A small ridge keeps directions that no place faces at zero.
    """
    rows = harmonics(normals)
    ridge = 1e-3 * len(rows) * np.diag([0.0] + [1.0] * 8)
    weight = np.ones(len(rows))
    light = np.zeros(9)
    for _ in range(ROUNDS):
        system = (rows * weight[:, None]).T @ rows + ridge
        light = np.linalg.solve(system, (rows * weight[:, None]).T @ brightness)
        miss = np.abs(brightness - rows @ light)
        weight = 1 / np.maximum(miss, np.median(miss) + 1e-6)
        weight /= weight.max()
    return light


def shading_ratio(light: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Brightness after per brightness before (...,), for normals (..., 3) before and after."""
    bright = np.maximum(harmonics(after) @ light, LEAST_BRIGHTNESS)
    ratio = bright / np.maximum(harmonics(before) @ light, LEAST_BRIGHTNESS)
    return np.clip(ratio, *RATIOS).astype(np.float32)
