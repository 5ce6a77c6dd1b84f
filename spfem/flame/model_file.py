"""FLAME's `generic_model.pkl`, read without running anything that it contains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.errors import InputError
from spfem.flame.pickles import array_of, unpickle_arrays

VERTICES, TRIANGLES, JOINTS = 5023, 9976, 5
IDENTITY, EXPRESSION = 300, 100  # columns of the file
SHAPE_COEFFICIENTS, EXPRESSION_COEFFICIENTS = 100, 50  # of them, those that DECA predicts
POSE_FEATURES = 36  # 9 entries of the rotations of 4 joints
PARENTS = (-1, 0, 1, 1, 1)  # of global, neck, jaw, left eye, right eye
SHAPES = {
    "f": (TRIANGLES, 3),
    "v_template": (VERTICES, 3),
    "shapedirs": (VERTICES, 3, IDENTITY + EXPRESSION),
    "posedirs": (VERTICES, 3, POSE_FEATURES),
    "J_regressor": (JOINTS, VERTICES),
    "kintree_table": (2, JOINTS),
    "weights": (VERTICES, JOINTS),
}


@dataclass(frozen=True)
class FlameModel:
    """The arrays of FLAME that DECA uses; V vertices, metres, x to the right of the image, y up.

    Attributes:
        template: (V, 3) float32 mean head at rest.
        shape_basis: (100, V, 3) float32.
        expression_basis: (50, V, 3) float32.
        pose_basis: (36, V, 3) float32, for the entries of rotation minus identity.
        joint_regressor: (5, V) float32.
        weights: (V, 5) float32 share of each joint in a vertex.
        triangles: (F, 3) int32.
        parents: joint above each joint, -1 for the first.
    """

    template: np.ndarray
    shape_basis: np.ndarray
    expression_basis: np.ndarray
    pose_basis: np.ndarray
    joint_regressor: np.ndarray
    weights: np.ndarray
    triangles: np.ndarray
    parents: tuple[int, ...] = PARENTS


def read_flame_model(path: Path) -> FlameModel:
    """Read `generic_model.pkl` (FLAME 2020).

    Raises:
        InputError: if the file is damaged, names anything but arrays, or its entries are missing,
            of another shape or not finite.

    Source: spec `face_pipeline.md` 2.3; expression coefficients are columns 300 to 349.
    """
    with path.open("rb") as file:
        content = unpickle_arrays(file, path)
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path} holds a {type(content).__name__}; FLAME's model is a dictionary of arrays"
        )
    missing = [name for name in SHAPES if name not in content]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; give generic_model.pkl of FLAME 2020")
    arrays = {name: array_of(content[name], name, path) for name in SHAPES}
    for name, wanted in SHAPES.items():
        if arrays[name].shape != wanted:
            raise InputError(
                f"{path}: {name} is {arrays[name].shape} instead of {wanted}; give "
                "generic_model.pkl of FLAME 2020"
            )
        if not np.isfinite(arrays[name]).all():
            raise InputError(f"{path}: {name} is not finite; get the file again")
    _check_tree(arrays, path)
    basis = arrays["shapedirs"].transpose(2, 0, 1)
    expression = basis[IDENTITY : IDENTITY + EXPRESSION_COEFFICIENTS]
    return FlameModel(
        template=_real(arrays["v_template"]),
        shape_basis=_real(basis[:SHAPE_COEFFICIENTS]),
        expression_basis=_real(expression),
        pose_basis=_real(arrays["posedirs"].transpose(2, 0, 1)),
        joint_regressor=_real(arrays["J_regressor"]),
        weights=_real(arrays["weights"]),
        triangles=arrays["f"].astype(np.int32),
    )


def _check_tree(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    above = tuple(int(joint) for joint in arrays["kintree_table"][0][1:].astype(np.int64))
    if above != PARENTS[1:]:
        raise InputError(
            f"{path}: joints hang below {above} instead of {PARENTS[1:]}; give generic_model.pkl "
            "of FLAME 2020"
        )
    if arrays["f"].min() < 0 or arrays["f"].max() >= VERTICES:
        raise InputError(f"{path}: triangles name vertices that do not exist; get the file again")


def _real(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
