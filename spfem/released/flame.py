"""FLAME: its file, coefficients and joint turns to vertices, its camera and its 68 landmarks.

Readers raise an `InputError` if a file is damaged, names anything but arrays, or its entries are
missing, of another shape, not finite or beyond FLAME.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor, nn

from spfem.errors import InputError
from spfem.released.pickles import array_of, unpickle_arrays

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

    Source: spec `face_pipeline.md` 2.3; expression coefficients are columns 300 to 349.
    """
    with path.open("rb") as file:
        content = unpickle_arrays(file, path)
    arrays = _arrays_of(content, SHAPES, path, "give generic_model.pkl of FLAME 2020")
    above = tuple(int(joint) for joint in arrays["kintree_table"][0][1:].astype(np.int64))
    if above != PARENTS[1:]:
        raise InputError(
            f"{path}: joints hang below {above} instead of {PARENTS[1:]}; give generic_model.pkl "
            "of FLAME 2020"
        )
    if arrays["f"].min() < 0 or arrays["f"].max() >= VERTICES:
        raise InputError(f"{path}: triangles name vertices that do not exist; get the file again")
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


def _arrays_of(
    content: Any, shapes: Mapping[str, tuple[int, ...]], path: Path, advice: str
) -> dict[str, np.ndarray]:
    """The entries of a dictionary, each of its shape and finite."""
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds a {type(content).__name__}, no dictionary; {advice}")
    if missing := [name for name in shapes if name not in content]:
        raise InputError(f"{path} lacks {', '.join(missing)}; {advice}")
    arrays = {name: array_of(content[name], name, path) for name in shapes}
    for name, wanted in shapes.items():
        if arrays[name].shape != wanted:
            raise InputError(
                f"{path}: {name} is {arrays[name].shape} instead of {wanted}; {advice}"
            )
        if not np.isfinite(arrays[name]).all():
            raise InputError(f"{path}: {name} is not finite; {advice}")
    return arrays


def _real(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)


ROTATION_EPS = 1e-8  # added to each entry inside the norm, which has no gradient at zero


def rotation_matrices(vectors: Tensor) -> Tensor:
    """Rotations (..., 3, 3) of axis-angle vectors (..., 3) in radians, by Rodrigues' formula.

    Differentiable everywhere, zero included.
    """
    angle = (vectors + ROTATION_EPS).norm(dim=-1, keepdim=True)
    x, y, z = (vectors / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    angle = angle[..., None]
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return identity + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


class FlameDecoder(nn.Module):
    """FLAME with the 100 identity and 50 expression coefficients that DECA predicts.

    Source: spec `face_pipeline.md` 2.3. Neck and eyes stay at rest, as in DECA.
    """

    template: Tensor
    basis: Tensor
    pose_basis: Tensor
    joint_regressor: Tensor
    weights: Tensor

    def __init__(self, model: FlameModel) -> None:
        super().__init__()
        basis = np.concatenate([model.shape_basis, model.expression_basis])
        buffers = {
            "template": model.template,
            "basis": basis.reshape(len(basis), -1),
            "pose_basis": model.pose_basis.reshape(len(model.pose_basis), -1),
            "joint_regressor": model.joint_regressor,
            "weights": model.weights,
        }
        for name, array in buffers.items():
            self.register_buffer(name, torch.from_numpy(np.array(array)))
        self.parents = model.parents

    def forward(self, shape: Tensor, expression: Tensor, pose: Tensor) -> Tensor:
        """Vertices (B, V, 3) in metres of shape (B, 100) and expression (B, 50); differentiable.

        `pose` (B, 6) is axis-angle of the head and of the jaw, radians.
        """
        moved = torch.cat([shape, expression], 1) @ self.basis
        resting = self.template + moved.unflatten(1, (-1, 3))
        joints = torch.einsum("jv,bvc->bjc", self.joint_regressor, resting)
        head, jaw = pose.split(3, 1)
        still = torch.zeros_like(head)
        rotations = rotation_matrices(torch.stack([head, still, jaw, still, still], 1))
        bent = rotations[:, 1:] - torch.eye(3, dtype=pose.dtype, device=pose.device)
        corrected = resting + (bent.flatten(1) @ self.pose_basis).unflatten(1, (-1, 3))
        turn, shift = self._chain(rotations, joints)
        blended_turn = torch.einsum("vj,bjrc->bvrc", self.weights, turn)
        blended_shift = torch.einsum("vj,bjr->bvr", self.weights, shift)
        return (blended_turn @ corrected[..., None])[..., 0] + blended_shift

    def _chain(self, rotations: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (B, J, 3, 3) and shift (B, J, 3) of what hangs on each joint."""
        turns, places = [rotations[:, 0]], [joints[:, 0]]
        for joint, above in list(enumerate(self.parents))[1:]:
            bone = joints[:, joint] - joints[:, above]
            places.append(places[above] + (turns[above] @ bone[..., None])[..., 0])
            turns.append(turns[above] @ rotations[:, joint])
        turn = torch.stack(turns, 1)
        shift = torch.stack(places, 1) - (turn @ joints[..., None])[..., 0]
        return turn, shift


CROP_SIZE = 224  # pixels a side of what the encoders see


def project(points: Tensor, camera: Tensor) -> Tensor:
    """Places (B, N, 3) in the square: x right, y down, both in [-1, 1]; z away from the camera.

    `points` (B, N, 3) are metres, y up, z towards the camera; `camera` (B, 3) is s, tx, ty.

    Source: spec `face_pipeline.md` 2.4: x' = s (x + tx), y' = -s (y + ty), z' = -s z.
    """
    scale, shift = camera[:, None, :1], torch.nn.functional.pad(camera[:, None, 1:], (0, 1))
    return (points + shift) * scale * points.new_tensor([1, -1, -1])


def to_raster(places: Tensor, size: int) -> Tensor:
    """Projected places (B, N, 3) in pixels as `rasterise` takes them: centres at 0.5."""
    half = size / 2
    return places * half + places.new_tensor([half, half, 0])


def to_crop_pixels(places: Tensor) -> Tensor:
    """Landmarks (B, N, 2) in the 224 frame, 112 + 112 x', of projected places (B, N, 2 or 3).

    As released, and taken there as pixel indices; the drawn image of the same place lies half a
    pixel lower, because its pixel centres are at 0.5 (spec `face_pipeline.md` 2.5).
    """
    return CROP_SIZE / 2 * (places[..., :2] + 1)


OUTLINE, FIXED, TURNS = 17, 51, 79  # turns: 0 to 39 degrees one way, then 1 to 39 the other
MOST_DEGREES = 39
EMBEDDING_SHAPES = {
    "static_lmk_faces_idx": (FIXED,),
    "static_lmk_bary_coords": (FIXED, 3),
    "dynamic_lmk_faces_idx": (TURNS, OUTLINE),
    "dynamic_lmk_bary_coords": (TURNS, OUTLINE, 3),
}


@dataclass(frozen=True)
class LandmarkEmbedding:
    """Places on the triangles of FLAME, those of the outline for each turn of the head.

    Triangles (51,) and (79, 17) are int64, barycentric places (51, 3) and (79, 17, 3) float32.
    """

    fixed_faces: Tensor
    fixed_places: Tensor
    outline_faces: Tensor
    outline_places: Tensor

    def to(self, device: torch.device | str) -> LandmarkEmbedding:
        """The same on another device."""
        return LandmarkEmbedding(*(getattr(self, field.name).to(device) for field in fields(self)))


def read_landmark_embedding(path: Path) -> LandmarkEmbedding:
    """Read DECA's `landmark_embedding.npy`, a pickled dictionary of arrays and tensors."""
    content = _read_object(path)
    arrays = _arrays_of(content, EMBEDDING_SHAPES, path, "get the file again from DECA")
    for name, values in arrays.items():
        largest = TRIANGLES - 1 if name.endswith("_idx") else 10.0
        if not (np.isfinite(values).all() and np.abs(values).max() <= largest):
            raise InputError(f"{path}: {name} leaves FLAME's triangles; get the file again")
    kinds = {name: np.int64 if name.endswith("_idx") else np.float32 for name in arrays}
    return LandmarkEmbedding(
        *(torch.from_numpy(arrays[name].astype(kinds[name])) for name in EMBEDDING_SHAPES)
    )


def _read_object(path: Path) -> Any:
    with path.open("rb") as file:
        try:
            first = npy.read_magic(cast(BinaryIO, file)) == (1, 0)
            read_header = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
            kind = read_header(cast(BinaryIO, file))[2]
        except ValueError as error:
            raise InputError(f"{path} is no .npy file ({error}); get it again") from error
        if not kind.hasobject:
            raise InputError(f"{path} holds plain numbers {kind}; DECA's file is a dictionary")
        whole = unpickle_arrays(cast(BinaryIO, file), path)
    return whole.item() if isinstance(whole, np.ndarray) and whole.size == 1 else whole


def outline_turn(rotation: Tensor) -> Tensor:
    """Row (B,) int64 of the outline table: the turn about the vertical axis in whole degrees.

    Rotations (B, 3, 3) of the head; at most 39 degrees to either side.

    Source: spec `face_pipeline.md` 2.3; rotation is that of the head times that of the neck.
    """
    across = torch.hypot(rotation[:, 0, 0], rotation[:, 1, 0])
    degrees = torch.rad2deg(torch.atan2(-rotation[:, 2, 0], across))
    degrees = degrees.clamp(-MOST_DEGREES, MOST_DEGREES).round().long()
    return torch.where(degrees >= 0, degrees, MOST_DEGREES - degrees)


def landmarks_68(
    vertices: Tensor, triangles: Tensor, rotation: Tensor, embedding: LandmarkEmbedding
) -> Tensor:
    """Landmarks (B, 68, 3): 17 of the outline, then 51 fixed ones; differentiable.

    Vertices (B, V, 3) are in any space; `rotation` (B, 3, 3) of the head decides on the outline.
    """
    turn = outline_turn(rotation)
    batch = len(vertices)
    fixed = embedding.fixed_faces.expand(batch, -1), embedding.fixed_places.expand(batch, -1, -1)
    faces = torch.cat([embedding.outline_faces[turn], fixed[0]], 1)
    places = torch.cat([embedding.outline_places[turn], fixed[1]], 1)
    frame = torch.arange(batch, device=vertices.device)[:, None, None]
    corners = vertices[frame, triangles.long()[faces]]  # (B, 68, 3 corners, 3)
    return (corners * places.to(vertices.dtype)[..., None]).sum(2)
