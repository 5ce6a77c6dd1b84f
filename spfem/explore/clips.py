"""Two clips of the same words as the explorer looks at them, and where clips come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from spfem.correlation.similarity import MOMENT_GAP_FRAMES
from spfem.errors import ShapeError
from spfem.pairing.dtw import align_sequences
from spfem.pairing.features import alignment_features
from spfem.settings import PairingSettings

USUAL_SHARE = 4  # of the clip: how far away the other moment is, if nothing speaks against it


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
        shape, kind = self.faces.shape, self.faces.dtype
        square = self.faces.ndim == 4 and shape[1] == shape[2] and shape[3] == 3 and shape[0] > 0
        if not square or kind != np.uint8:
            raise ShapeError(
                f"faces of {self.title!r} must be uint8 (T, S, S, 3), found {kind} {shape}"
            )
        for name, values in (("visemes", self.visemes), ("expression", self.expression)):
            if values is not None and len(values) != shape[0]:
                raise ShapeError(
                    f"{name} of {self.title!r}: {shape[0]} are wanted, found {len(values)}"
                )


@dataclass(frozen=True, eq=False)
class ExploredPair:
    """Two clips of the same words.

    Attributes:
        first: the clip of T frames that a place is chosen on.
        second: the clip of U frames that it is compared with.
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
            raise ShapeError(
                f"the path runs to frames {path.max(axis=0).tolist()}, but the clips have {lengths}"
            )

    def matched_frame(self, frame: int) -> int:
        """Frame of the second clip that says what `frame` of the first says.

        The middle one where the path passes several; nearest where it passes none.
        """
        distance = np.abs(self.path[:, 0] - frame)
        found = self.path[distance == distance.min(), 1]
        return int(found[len(found) // 2])

    def says_something_else(self, frame: int) -> np.ndarray:
        """(U,) bool, frames of the second clip that are far from the matched one and say otherwise.

        Visemes count where they are known; else the distance in time alone.
        """
        matched = self.matched_frame(frame)
        others = np.abs(np.arange(len(self.second.faces)) - matched) >= MOMENT_GAP_FRAMES
        if self.first.visemes is not None and self.second.visemes is not None:
            said = (self.first.visemes[frame], self.second.visemes[matched])
            others &= ~np.isin(self.second.visemes, said)
        return others

    def other_frame(self, frame: int) -> int:
        """Frame of the second clip that says something else, about a quarter of the clip away."""
        matched, length = self.matched_frame(frame), len(self.second.faces)
        others = np.flatnonzero(self.says_something_else(frame))
        if not len(others):  # a clip too short or one viseme throughout: the farther end
            return length - 1 if matched < length / 2 else 0
        wanted = max(MOMENT_GAP_FRAMES, length // USUAL_SHARE)
        return int(others[np.abs(np.abs(others - matched) - wanted).argmin()])


@dataclass(frozen=True)
class ClipSource:
    """Where clips come from.

    Attributes:
        spoken: emotions in which an actor says a sentence, by (actor, sentence).
        read_pair: reads a pair, from (actor, sentence, first emotion, second emotion).
    """

    spoken: Mapping[tuple[str, str], tuple[str, ...]]
    read_pair: Callable[[str, str, str, str], ExploredPair]


def align_waveforms(
    first: ExploredClip, second: ExploredClip, settings: PairingSettings
) -> ExploredPair:
    """Pair two clips by dynamic time warping of their sound, as the pairing stage does.

    Clips may have different frame rates. A clip with itself gives the diagonal.
    """
    features = [alignment_features(clip.waveform, clip.fps, settings) for clip in (first, second)]
    alignment = align_sequences(features[0], features[1])
    inside = (alignment.path < (len(first.faces), len(second.faces))).all(axis=1)
    remark = doubt_cost(alignment.normalised_cost, settings)
    return ExploredPair(first, second, alignment.path[inside], remark)


def doubt_cost(cost: float, settings: PairingSettings) -> str:
    """What to say of an alignment of a mean cost; nothing of one that can be trusted."""
    if settings.trusts(cost):
        return ""
    return (
        f"The sounds hardly fit (cost {cost:.1f}, trusted up to {settings.maximum_cost:.1f}): "
        "do both clips say the same words?"
    )
