"""The clips that the explorer looks at, and what a source of clips offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from spfem.errors import ShapeError


@dataclass(frozen=True, eq=False)  # a clip is the key of what was computed for it
class ExploredClip:
    """One clip of T frames, ready to be looked at.

    Attributes:
        title: names the clip to a reader.
        emotion: that it is spoken in.
        faces: (T, S, S, 3) uint8 RGB, aligned.
        waveform: (A,) float32 mono in [-1, 1]; sample 0 sounds with frame 0.
        sample_rate: of the waveform, in hertz.
        fps: frames per second.
        visemes: of each frame, where they are known.
        expression: (T, E) face units, where they are known.

    Raises:
        ShapeError: if an array has the wrong shape or type.
    """

    title: str
    emotion: str
    faces: np.ndarray
    waveform: np.ndarray
    sample_rate: int
    fps: float
    visemes: tuple[str, ...] | None = None
    expression: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be looked at."""
        faces = self.faces
        if faces.ndim != 4 or faces.shape[1] != faces.shape[2] or faces.shape[3] != 3:
            raise ShapeError(f"faces of {self.title!r} must be (T, S, S, 3), found {faces.shape}")
        if faces.dtype != np.uint8 or not len(faces):
            raise ShapeError(
                f"faces of {self.title!r} must be uint8 and at least one, found {faces.dtype} "
                f"{faces.shape}"
            )
        for name, values in (("visemes", self.visemes), ("expression", self.expression)):
            if values is not None and len(values) != len(faces):
                raise ShapeError(
                    f"{name} of {self.title!r} must be as many as its {len(faces)} frames, found "
                    f"{len(values)}"
                )


@dataclass(frozen=True, eq=False)
class ExploredPair:
    """Two clips of the same words.

    Attributes:
        first: the clip that a place is chosen on.
        second: the clip that it is compared with.
        path: (N, 2) frames of the first and of the second clip that say the same, in order.
        remark: what a reader should know of the pair, such as that its sounds hardly fit.

    Raises:
        ShapeError: if the path is no (N, 2), or leaves the clips.
    """

    first: ExploredClip
    second: ExploredClip
    path: np.ndarray
    remark: str = ""

    def __post_init__(self) -> None:
        """Refuse a path that leaves the clips."""
        lengths = (len(self.first.faces), len(self.second.faces))
        path = self.path
        if path.ndim != 2 or path.shape[1] != 2 or not len(path):
            raise ShapeError(f"the path must be (N, 2) with N >= 1, found {path.shape}")
        if path.min() < 0 or (path.max(axis=0) >= lengths).any():
            raise ShapeError(
                f"the path runs to frames {tuple(path.max(axis=0))}, but the clips have "
                f"{lengths[0]} and {lengths[1]} frames"
            )

    def matched_frame(self, frame: int) -> int:
        """Frame of the second clip that says what `frame` of the first says.

        The middle one where the path passes several; nearest where it passes none.
        """
        distance = np.abs(self.path[:, 0] - frame)
        found = self.path[distance == distance.min(), 1]
        return int(found[len(found) // 2])


class ClipSource(Protocol):
    """Where clips come from; each pair is read when it is asked for."""

    def actors(self) -> Sequence[str]:
        """Who speaks."""

    def sentences(self, actor: str) -> Sequence[str]:
        """What an actor says in at least two emotions."""

    def emotions(self, actor: str, sentence: str) -> Sequence[str]:
        """Emotions in which an actor says a sentence."""

    def pair(self, actor: str, sentence: str, first: str, second: str) -> ExploredPair:
        """The clips in two emotions."""
