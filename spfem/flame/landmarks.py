"""The 68 landmarks of FLAME: 17 on the seen outline, which move as the head turns, and 51 fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from spfem.errors import InputError
from spfem.flame.model_file import TRIANGLES
from spfem.flame.pickles import array_of, unpickle_arrays

OUTLINE, FIXED, TURNS = 17, 51, 79  # turns: 0 to 39 degrees one way, then 1 to 39 the other
MOST_DEGREES = 39
SHAPES = {
    "static_lmk_faces_idx": (FIXED,),
    "static_lmk_bary_coords": (FIXED, 3),
    "dynamic_lmk_faces_idx": (TURNS, OUTLINE),
    "dynamic_lmk_bary_coords": (TURNS, OUTLINE, 3),
}


@dataclass(frozen=True)
class LandmarkEmbedding:
    """Places on the triangles of FLAME.

    Attributes:
        fixed_faces: (51,) int64 triangle of each fixed landmark.
        fixed_places: (51, 3) float32 barycentric.
        outline_faces: (79, 17) int64 triangle for each turn of the head.
        outline_places: (79, 17, 3) float32 barycentric.
    """

    fixed_faces: Tensor
    fixed_places: Tensor
    outline_faces: Tensor
    outline_places: Tensor

    def to(self, device: torch.device | str) -> LandmarkEmbedding:
        """The same on another device."""
        return LandmarkEmbedding(*(getattr(self, field.name).to(device) for field in fields(self)))


def read_landmark_embedding(path: Path) -> LandmarkEmbedding:
    """Read DECA's `landmark_embedding.npy`, a pickled dictionary of arrays and tensors.

    Raises:
        InputError: if the file is damaged, names anything but arrays, or its entries are missing,
            of another shape or no places on a triangle of FLAME.
    """
    content = _read_object(path)
    if not isinstance(content, Mapping) or set(SHAPES) - set(content):
        raise InputError(f"{path} does not hold {', '.join(SHAPES)}; get the file again from DECA")
    arrays = {name: array_of(content[name], name, path) for name in SHAPES}
    for name, wanted in SHAPES.items():
        if arrays[name].shape != wanted:
            raise InputError(
                f"{path}: {name} is {arrays[name].shape} instead of {wanted}; get the file again"
            )
        values = arrays[name]
        largest = TRIANGLES - 1 if name.endswith("_idx") else 10.0
        if not (np.isfinite(values).all() and np.abs(values).max() <= largest):
            raise InputError(f"{path}: {name} leaves FLAME's triangles; get the file again")
    return LandmarkEmbedding(
        torch.from_numpy(arrays["static_lmk_faces_idx"].astype(np.int64)),
        torch.from_numpy(arrays["static_lmk_bary_coords"].astype(np.float32)),
        torch.from_numpy(arrays["dynamic_lmk_faces_idx"].astype(np.int64)),
        torch.from_numpy(arrays["dynamic_lmk_bary_coords"].astype(np.float32)),
    )


def _read_object(path: Path) -> Any:
    with path.open("rb") as file:
        try:
            version = npy.read_magic(cast(BinaryIO, file))
            read_header = npy.read_array_header_1_0
            if version != (1, 0):
                read_header = npy.read_array_header_2_0
            kind = read_header(cast(BinaryIO, file))[2]
        except ValueError as error:
            raise InputError(f"{path} is no .npy file ({error}); get it again") from error
        if not kind.hasobject:
            raise InputError(f"{path} holds plain numbers {kind}; DECA's file is a dictionary")
        whole = unpickle_arrays(cast(BinaryIO, file), path)
    return whole.item() if isinstance(whole, np.ndarray) and whole.size == 1 else whole


def outline_turn(rotation: Tensor) -> Tensor:
    """Row (B,) int64 of the outline table for head rotations (B, 3, 3).

    The turn about the vertical axis in whole degrees, at most 39 to either side.

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

    Args:
        vertices: (B, V, 3) in any space.
        triangles: (F, 3).
        rotation: (B, 3, 3) of the head, which decides what the outline is.
        embedding: on the device of the vertices.
    """
    turn = outline_turn(rotation)
    batch = len(vertices)
    faces = torch.cat(
        [embedding.outline_faces[turn], embedding.fixed_faces.expand(batch, FIXED)], 1
    )
    places = torch.cat(
        [embedding.outline_places[turn], embedding.fixed_places.expand(batch, FIXED, 3)], 1
    )
    frame = torch.arange(batch, device=vertices.device)[:, None, None]
    corners = vertices[frame, triangles.long()[faces]]  # (B, 68, 3 corners, 3)
    return (corners * places.to(vertices.dtype)[..., None]).sum(2)
