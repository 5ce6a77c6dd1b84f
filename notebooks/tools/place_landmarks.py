"""Finds where the tracker's landmarks lie on the head mesh, by tracking drawn portraits.

`python -m tools.place_landmarks` draws frontal heads, tracks them, casts each landmark back onto
the mesh and writes that into the file that `spfem.head.model` reads. No hand-made table is needed.
"""

from __future__ import annotations

import numpy as np
import torch

from spfem.face.landmarks import INNER_LIPS, LEFT_IRIS, LIP_RINGS, OUTER_LIPS, RIGHT_IRIS
from spfem.face.tracker import track_landmarks
from spfem.head.model import EYE, LASHES, SKIN, HeadModel, load_head_model
from spfem.head.raster import rasterise
from spfem.studio.cast import Appearance
from spfem.studio.render import portrait, portrait_points
from tools.build_head import change_head

SIZE = 512  # pixels, side of the portraits
REPEATS = 4  # of a portrait as a still video, until the tracker settles
JAW_OPEN = 0.25  # parts the lips, so that upper and lower lip are told apart

PEOPLE: tuple[tuple[dict[str, float], Appearance], ...] = (
    ({}, Appearance()),
    ({"gender": 1.0}, Appearance(light_from_left=False)),
    ({"gender": -1.0}, Appearance(brow_thickness=0.8)),
    ({"african": 0.5}, Appearance(skin=(0.55, 0.38, 0.29), lips=(0.52, 0.3, 0.28))),
    ({"asian": 0.5}, Appearance(skin=(0.88, 0.72, 0.58))),
    ({"age": 0.5}, Appearance(lines=0.5, light_from_left=False)),
)
"""Heads whose landmark places are averaged: phenotypes and looks."""


def find_embedding(head: HeadModel, people: int = len(PEOPLE)) -> tuple[np.ndarray, np.ndarray]:
    """Triangle (478,) int32 and barycentric place (478, 3) float32 of each landmark.

    Each person is drawn with closed and with open mouth. A landmark's places are averaged on the
    mean head with parted lips, seen from the front. Landmarks of the lips are taken from the open
    mouths only, those of the irises from the eyeballs, all others from the visible skin.
    """
    lips = list(INNER_LIPS + OUTER_LIPS + LIP_RINGS)
    canonical = portrait_points(head.vertices(np.zeros(len(head.identity_basis)), _jaw(head)), SIZE)
    places = []
    for phenotypes, appearance in PEOPLE[:people]:
        identity = head.identity_of(**phenotypes)
        for opened in (False, True):
            expression = _jaw(head) * opened
            picture = portrait(head, identity, expression, SIZE, appearance)
            tracked = track_landmarks([picture] * REPEATS, 25, name="portrait")
            points = portrait_points(head.vertices(identity, expression), SIZE)
            triangles, barycentric = cast_landmarks(head, points, tracked.landmarks[-1, :, :2])
            place = np.einsum("lkc,lk->lc", canonical[head.triangles[triangles]], barycentric)
            if not opened:
                place[lips] = np.nan
            places.append(place)
    average = np.nanmean(places, axis=0)
    return cast_landmarks(head, canonical, average[:, :2])


def _jaw(head: HeadModel) -> np.ndarray:
    return JAW_OPEN * np.eye(len(head.expression_basis), dtype=np.float32)[0]


def cast_landmarks(
    head: HeadModel, points: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest visible places of landmarks on the mesh.

    Args:
        head: the model.
        points: (V, 3) vertices in pixels of a `SIZE` square.
        pixels: (478, 2) landmarks.

    Returns:
        Triangles (478,) int32 and barycentric places (478, 3) float32.
    """
    iris = list(RIGHT_IRIS + LEFT_IRIS)
    triangles, barycentric = _cast(head, points, pixels, SKIN)
    triangles[iris], barycentric[iris] = _cast(head, points, pixels[iris], EYE)
    return triangles, barycentric


def _cast(
    head: HeadModel, points: np.ndarray, pixels: np.ndarray, region: int
) -> tuple[np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    first, second, third = (points[head.triangles[:, corner]] for corner in range(3))
    facing = np.cross(second - first, third - first)[:, 2] < 0
    kept = np.flatnonzero(facing & (head.region != LASHES))
    raster = rasterise(
        torch.from_numpy(points[None].astype(np.float32)),
        torch.from_numpy(head.triangles[kept]),
        SIZE,
        SIZE,
    )
    seen = raster.face[0].numpy()
    seen = np.where(seen >= 0, kept[seen], -1)
    rows, columns = np.nonzero((seen >= 0) & (head.region[seen] == region))
    centres = np.stack([columns, rows], 1) + 0.5
    distance, nearest = cKDTree(centres).query(pixels)
    places = np.where(distance[:, None] > 1, centres[nearest], pixels)
    triangles = seen[rows[nearest], columns[nearest]]
    corners = np.pad(
        points[head.triangles[triangles], :2], ((0, 0), (0, 0), (0, 1)), constant_values=1
    )
    wanted = np.pad(places, ((0, 0), (0, 1)), constant_values=1)[..., None]
    barycentric = np.linalg.solve(corners.transpose(0, 2, 1), wanted)[..., 0].clip(0)
    barycentric /= barycentric.sum(1, keepdims=True)
    return triangles.astype(np.int32), barycentric.astype(np.float32)


if __name__ == "__main__":
    triangles, barycentric = find_embedding(load_head_model())
    change_head({"landmark_triangles": triangles, "landmark_barycentric": barycentric})
