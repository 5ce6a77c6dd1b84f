"""Two clips of the same words as the explorer looks at them, and where clips come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spfem.errors import ShapeError
from spfem.pairing.moments import SoundingFrames, align_waveforms, doubt_alignment
from spfem.settings import PairingSettings


@dataclass(frozen=True, eq=False)  # a clip is the key of what was computed for it
class ExploredClip:
    """One clip of T frames.

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
    expression: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be looked at."""
        shape, kind = self.faces.shape, self.faces.dtype
        square = len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3 and shape[0] > 0
        name = repr(self.title)
        if not square or kind != np.uint8:
            raise ShapeError(f"faces of {name} must be uint8 (T, S, S, 3), found {kind} {shape}")
        for what, rows in (("visemes", self.visemes), ("expression", self.expression)):
            if rows is not None and len(rows) != shape[0]:
                raise ShapeError(f"{what} of {name}: {shape[0]} are wanted, found {len(rows)}")


@dataclass(frozen=True, eq=False)
class ExploredPair:
    """Two clips of the same words, of T and U frames.

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
        lengths, path = (len(self.first.faces), len(self.second.faces)), self.path
        if path.ndim != 2 or path.shape[1] != 2 or not len(path):
            raise ShapeError(f"the path must be (N, 2) with N >= 1, found {path.shape}")
        if path.min() < 0 or (path.max(axis=0) >= lengths).any():
            raise ShapeError(f"the path runs to frames {path.max(axis=0)} of {lengths}")


@dataclass(frozen=True)
class ClipSource:
    """Emotions by (actor, sentence), and what reads two: of actor, sentence and two emotions."""

    spoken: Mapping[tuple[str, str], tuple[str, ...]]
    read_pair: Callable[[str, str, str, str], ExploredPair]


def align_clips(
    first: ExploredClip, second: ExploredClip, settings: PairingSettings
) -> ExploredPair:
    """Pair two clips by their sound."""
    sides = [SoundingFrames(clip.waveform, len(clip.faces), clip.fps) for clip in (first, second)]
    path, cost = align_waveforms(sides[0], sides[1], settings)
    return ExploredPair(first, second, path, doubt_alignment(cost, settings))
