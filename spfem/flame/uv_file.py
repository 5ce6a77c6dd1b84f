"""The files that say how FLAME's skin lies in the plane: template, mask and fixed displacement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spfem.errors import InputError
from spfem.flame.model_file import TRIANGLES, VERTICES

MAP_PLACES = 5118  # vertices of the map: seams count twice
MAP_SIZE = 256  # texels a side


@dataclass(frozen=True)
class HeadTemplate:
    """Topology of FLAME's mesh and of its map.

    Attributes:
        places: (5118, 2) float32 u to the right, v up, in [0, 1].
        triangles: (9976, 3) int32 vertices.
        map_triangles: (9976, 3) int32 rows of `places`.
    """

    places: np.ndarray
    triangles: np.ndarray
    map_triangles: np.ndarray


def read_head_template(path: Path) -> HeadTemplate:
    """Read `head_template.obj`: 5023 vertices, 5118 map places, 9976 triangles `f v/vt`.

    Raises:
        InputError: if the file is no such mesh.
    """
    places, corners, vertices = [], [], 0
    try:
        for line in path.read_text(encoding="latin1").splitlines():
            words = line.split()
            if line.startswith("v "):
                vertices += 1
            elif line.startswith("vt "):
                places.append([float(word) for word in words[1:3]])
            elif line.startswith("f "):
                corners.append([[int(n) for n in word.split("/")[:2]] for word in words[1:]])
        indices = np.array(corners, np.int32) - 1
        map_places = np.array(places, np.float32)
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} is no OBJ file of triangles ({error})") from error
    found = (vertices, map_places.shape, indices.shape)
    wanted = (VERTICES, (MAP_PLACES, 2), (TRIANGLES, 3, 2))
    if found != wanted:
        raise InputError(
            f"{path}: vertices, map places, triangles are {found} instead of {wanted}; give "
            "head_template.obj of DECA"
        )
    if indices.min() < 0 or (indices.max((0, 1)) >= (VERTICES, MAP_PLACES)).any():
        raise InputError(f"{path}: triangles name places that do not exist; get the file again")
    return HeadTemplate(
        map_places,
        np.ascontiguousarray(indices[..., 0]),
        np.ascontiguousarray(indices[..., 1]),
    )


def read_fixed_displacement(path: Path) -> np.ndarray:
    """Read `fixed_displacement_256.npy`: (256, 256) float32 metres along the normal.

    Raises:
        InputError: if the file holds something else.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is no plain .npy file ({error}); get it again") from error
    if values.shape != (MAP_SIZE, MAP_SIZE) or values.dtype.kind != "f":
        raise InputError(
            f"{path} is {values.dtype} {values.shape}; DECA's map is ({MAP_SIZE}, {MAP_SIZE}) reals"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{path} is not finite; get the file again")
    return values.astype(np.float32)


def read_face_mask(path: Path) -> np.ndarray:
    """Read `uv_face_eye_mask.png`: (256, 256) float32 in [0, 1], its red channel.

    Raises:
        InputError: if the file is no picture of this size.
    """
    content = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    if picture is None or picture.dtype != np.uint8 or picture.shape[:2] != (MAP_SIZE, MAP_SIZE):
        found = "no picture" if picture is None else f"{picture.dtype} {picture.shape}"
        raise InputError(f"{path} is {found}; DECA's mask is an 8-bit PNG of 256 x 256")
    red = picture if picture.ndim == 2 else picture[..., 2]  # OpenCV reads BGR(A)
    return red.astype(np.float32) / 255
