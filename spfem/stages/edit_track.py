"""What is kept of the track of an edited video: enough to score it, without its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.face.track_file import FaceTrack, load_fields, save_fields


@dataclass(frozen=True)
class EditTrack:
    """The part of a `FaceTrack` that scores need; a fifth of its size.

    Attributes:
        fps: frames per second.
        found: (T,) bool, frames in which the tracker saw a face.
        landmarks: (T, 478, 3) float32 frame pixels.
        blendshapes: (T, 51) float32 tracker scores.
        expression: (T, E) float32 face units.
        align: (T, 2, 3) float32 frame pixels to aligned pixels, for `face.align.align_faces`.
    """

    fps: float
    found: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    expression: np.ndarray
    align: np.ndarray

    @classmethod
    def of(cls, track: FaceTrack) -> EditTrack:
        """The part of a whole track."""
        return cls(
            track.fps,
            track.found,
            track.landmarks,
            track.blendshapes,
            track.expression,
            track.align,
        )

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)

    def save(self, path: Path) -> None:
        """Write an npz file, whole or not at all."""
        save_fields(self, path)

    @classmethod
    def load(cls, path: Path) -> EditTrack:
        """Read a file of `save`.

        Raises:
            InputError: if the file is missing, damaged or of another kind.
        """
        return cls(**load_fields(cls, path, "is no track of an edit", "make the edits anew"))
