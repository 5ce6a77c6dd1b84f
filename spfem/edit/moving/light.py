"""The light on the face: how much brighter or darker the skin gets when its surface turns."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

ROUNDS = 5  # of reweighting
LEAST_BRIGHTNESS = 20.0  # grey levels, which keep ratios meaningful in deep shade
RATIOS = (0.75, 1.3)  # beyond which the mesh is trusted no more
FACING = -0.3  # z of a normal that looks towards the camera enough


class NormalFinder:
    """Finds the normals of a mesh's vertices.

    Args:
        triangles: (G, 3).
        vertices: U, how many the mesh has.
    """

    def __init__(self, triangles: np.ndarray, vertices: int):
        self.triangles = triangles
        faces = np.repeat(np.arange(len(triangles)), 3)
        ones = np.ones(triangles.size, np.float32)
        self.touching = csr_array(
            (ones, (triangles.ravel(), faces)), shape=(vertices, len(triangles))
        )

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Unit normals (B, U, 3), area-weighted, of vertices (B, U, 3); 0 off the triangles."""
        first, second, third = (points[:, self.triangles[:, corner]] for corner in range(3))
        flat = np.cross(second - first, third - first)  # (B, G, 3)
        total = self.touching @ flat.transpose(1, 0, 2).reshape(flat.shape[1], -1)
        normals = total.reshape(-1, len(points), 3).transpose(1, 0, 2)
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)


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
    by reweighting. A small ridge keeps directions that no place faces at zero; without places
    all are zero, with which `shading_ratio` is 1.
    """
    if not len(normals):
        return np.zeros(9)
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
