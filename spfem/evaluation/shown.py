"""What is shown and heard of a clip that is scored."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from spfem.errors import ShapeError


class TrackedFace(Protocol):
    """The part of `spfem.face.track_file.FaceTrack` that is scored."""

    @property
    def found(self) -> np.ndarray:
        """(T,) bool."""

    @property
    def landmarks(self) -> np.ndarray:
        """(T, 478, 3) pixels."""

    @property
    def blendshapes(self) -> np.ndarray:
        """(T, 51) tracker scores."""

    @property
    def expression(self) -> np.ndarray:
        """(T, E) face units."""


@dataclass(frozen=True)
class ShownClip:
    """Frames (T, H, W, 3) uint8 RGB and their track.

    Raises:
        ShapeError: if the track is of another number of frames.
    """

    frames: np.ndarray
    track: TrackedFace

    def __post_init__(self) -> None:
        """Refuse a track of other frames."""
        if len(self.frames) != len(self.track.found):
            raise ShapeError(
                f"{len(self.frames)} frames do not fit a track of {len(self.track.found)} frames"
            )


@dataclass(frozen=True)
class EditedCodes:
    """The codes behind an edit beside the true ones, for one identity.

    Attributes:
        identity: (I,) of the source's actor.
        expression: (T, E) face units that the edit was made from.
        true_expression: (T, E) face units of the true edit.
    """

    identity: np.ndarray
    expression: np.ndarray
    true_expression: np.ndarray


@dataclass(frozen=True)
class Sound:
    """Samples (A,) in [-1, 1] at 16 kHz, and the frames per second of the clip they belong to."""

    samples: np.ndarray
    fps: Fraction | float
