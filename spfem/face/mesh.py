"""The part of the head mesh that is the face, which condition images and masks show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.face.landmarks import FACE_OVAL, LEFT_IRIS, RIGHT_IRIS
from spfem.head.model import LASHES, SKIN, HeadModel

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
