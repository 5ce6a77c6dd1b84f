"""One array file a clip: everything the face stage knows about it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spfem.artifacts import writing
from spfem.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OF_THE_CLIP = ("fps", "frame_size", "identity")  # fields that have no row a frame


@dataclass(frozen=True)
class FaceTrack:
    """Track, fitted codes and aligned faces of one clip of T frames.

    Attributes:
        fps: frames per second.
        frame_size: (H, W) of the clip, pixels.
        found: (T,) bool, frames in which the tracker saw a face; others are filled in.
        landmarks: (T, 478, 3) float32 tracked landmarks, frame pixels.
        blendshapes: (T, 51) float32 tracker scores, columns `tracker.BLENDSHAPE_NAMES`.
        identity: (I,) float32.
        expression: (T, E) float32 face units in [0, 1], `jawOpen` first.
        rotation: (T, 3) float32 axis-angle, radians.
        scale: (T,) float32 frame pixels per head unit.
        translation: (T, 2) float32 frame pixels.
        reprojection_error: (T,) float32 mean landmark error, frame pixels.
        align: (T, 2, 3) float32 frame pixels to aligned pixels.
        faces: (T, S, S, 3) uint8 aligned RGB, background kept.
        masks: (T, S, S) uint8 255 inside the face, 0 outside.
    """

    fps: float
    frame_size: tuple[int, int]
    found: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    reprojection_error: np.ndarray
    align: np.ndarray
    faces: np.ndarray
    masks: np.ndarray

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)

    def take_frames(self, index: np.ndarray) -> FaceTrack:
        """The track of the frames (N,) `index`."""
        names = [field.name for field in fields(self) if field.name not in OF_THE_CLIP]
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def save(self, path: Path) -> None:
        """Write an uncompressed npz file, whole or not at all."""
        save_fields(self, path)

    @classmethod
    def load(cls, path: Path) -> FaceTrack:
        """Read a file of `save`.

        Raises:
            InputError: if the file is missing, damaged or of another kind.
        """
        return cls(**load_fields(cls, path, "is no face track", "run the face stage anew"))


def save_fields(record: DataclassInstance, path: Path) -> None:
    """Write the fields of a dataclass of arrays to an npz file, whole or not at all."""
    with writing(path) as aside:
        np.savez(aside, **{field.name: getattr(record, field.name) for field in fields(record)})


def load_fields(
    kind: type[DataclassInstance], path: Path, complaint: str, advice: str
) -> dict[str, Any]:
    """Read what `save_fields` wrote of a record of a kind, single numbers as plain ones.

    Raises:
        InputError: if the file is missing, damaged or of another kind; with the complaint and
            the advice.
    """
    try:
        with np.load(path) as stored:
            values = {field.name: stored[field.name] for field in fields(kind)}
        values = {name: value if value.ndim else value.item() for name, value in values.items()}
        if "frame_size" in values:
            values["frame_size"] = tuple(int(side) for side in values["frame_size"])
    except Exception as error:  # damaged archives raise whatever the reader stumbles over
        reason = " ".join(str(error).split())
        raise InputError(f"{path} {complaint} ({reason}); {advice}") from error
    return values
