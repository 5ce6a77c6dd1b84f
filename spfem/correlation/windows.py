"""Windows of consecutive path steps: where temporal metric learning gets its frames from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from spfem.correlation.frame_pairs import ClipPair, FramePairs
from spfem.errors import CorpusError


@dataclass(frozen=True)
class Windows:
    """B windows of T steps of a warping path.

    `neutral` and `emotion` are (B, T, S, S, 3) uint8 RGB, aligned step by step; `held`
    (B, T - 1, 2) bool marks steps that stay on a frame, (neutral, emotion).
    """

    neutral: np.ndarray
    emotion: np.ndarray
    held: np.ndarray


class WindowProvider(Protocol):
    """Where `train_temporal` gets its batches from."""

    def draw_windows(self, count: int, random: np.random.Generator) -> Windows:
        """Return `count` windows."""


@dataclass(frozen=True)
class FrameWindows:
    """All windows of `window_frames` consecutive steps on the paths of clip pairs.

    A step is consecutive if neither clip moves by more than one frame, so that a window never
    spans path entries that were left out because a face was not found. Pairs without any window
    are left out. Source: STCCL. Departs from the released code, which never uses the last window
    of a path.

    Raises:
        CorpusError: if no pair has a window of that length.
    """

    frames: FramePairs
    window_frames: int
    starts: tuple[np.ndarray, ...] = field(init=False)

    def __post_init__(self) -> None:
        starts = tuple(window_starts(pair, self.window_frames) for pair in self.frames.pairs)
        object.__setattr__(self, "starts", starts)
        if not any(len(each) for each in starts):
            raise CorpusError(
                f"no clip pair has {self.window_frames} consecutive path steps with found faces; "
                "use shorter windows"
            )

    def draw_windows(self, count: int, random: np.random.Generator) -> Windows:
        """Draw a pair uniformly, then one of its windows uniformly, `count` times."""
        usable = [number for number, starts in enumerate(self.starts) if len(starts)]
        chosen = [usable[n] for n in random.integers(len(usable), size=count)]
        neutral, emotion, held = [], [], []
        for number in chosen:
            pair, start = self.frames.pairs[number], int(random.choice(self.starts[number]))
            entries = pair.path[start : start + self.window_frames]
            neutral.append(self.frames.faces[pair.source][entries[:, 0]])
            emotion.append(self.frames.faces[pair.target][entries[:, 1]])
            held.append(held_steps(entries))
        return Windows(np.stack(neutral), np.stack(emotion), np.stack(held))


def window_starts(pair: ClipPair, window_frames: int) -> np.ndarray:
    """First path entry of every window of consecutive steps, (N,) int."""
    if len(pair.path) < window_frames:
        return np.zeros(0, dtype=int)
    steps = np.diff(pair.path, axis=0)
    consecutive = np.all((steps >= 0) & (steps <= 1), axis=1)
    runs = np.convolve(consecutive, np.ones(window_frames - 1, dtype=int))
    whole = runs[window_frames - 2 : len(steps)]
    return np.flatnonzero(whole == window_frames - 1)


def held_steps(path: np.ndarray) -> np.ndarray:
    """Which steps of a path (T, 2) stay on a frame, (T - 1, 2) bool."""
    return np.diff(path, axis=0) == 0
