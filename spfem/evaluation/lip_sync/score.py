"""LSE-D and LSE-C of one clip: distances of lips and sound, shifted against each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spfem.errors import ShapeError


class LipSyncScore(NamedTuple):
    """What the search found.

    Attributes:
        lse_d: mean distance at the best shift; lower is better.
        lse_c: median over shifts less `lse_d`; higher is better.
        offset: frames by which the sound comes later than the lips.
        search: largest shift that was tried, frames.
    """

    lse_d: float
    lse_c: float
    offset: int
    search: int


def distances_by_shift(
    lips: np.ndarray, sound: np.ndarray, search: int, *, zeros_beyond: bool = False
) -> np.ndarray:
    """Mean distance of lips (W, C) to sound (W, C) at each shift of the sound.

    Args:
        lips: embeddings of windows, one a frame.
        sound: likewise.
        search: S, the largest shift in frames.
        zeros_beyond: compare lips that have no sound at a shift with zeros, as SyncNet does; else
            they do not count, which suits short clips.

    Returns:
        (2 S + 1,) for shifts -S to S: at shift k the lips of window i meet the sound of window
        i + k.

    Raises:
        ShapeError: if the shapes differ or the largest shift leaves no window.

    Example:
        >>> lips = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> distances_by_shift(lips, np.roll(lips, 1, axis=0), 1).tolist()
        [2.0, 1.5, 0.0]
    """
    if lips.shape != sound.shape or lips.ndim != 2:
        raise ShapeError(f"lips and sound must be (W, C); got {lips.shape} and {sound.shape}")
    if search >= len(lips):
        raise ShapeError(f"{len(lips)} windows cannot be searched over {search} frames")
    if zeros_beyond:
        padded = np.pad(sound, ((search, search), (0, 0)))
        return np.asarray(
            [
                np.linalg.norm(lips - padded[k : k + len(lips)], axis=1).mean()
                for k in range(2 * search + 1)
            ]
        )
    means = []
    for shift in range(-search, search + 1):
        first, last = max(0, -shift), min(len(lips), len(lips) - shift)
        gap = lips[first:last] - sound[first + shift : last + shift]
        means.append(np.linalg.norm(gap, axis=1).mean())
    return np.asarray(means)


def search_of(windows: int, search_frames: int, shared_windows: int) -> int:
    """Largest shift that still shares enough windows; 0 if the clip is too short to search."""
    return int(np.clip(windows - shared_windows, 0, search_frames))


def score_distances(distances: np.ndarray) -> LipSyncScore:
    """LSE-D, LSE-C and offset from `distances_by_shift` (2 S + 1,).

    Example:
        >>> score_distances(np.array([1.0, 1.5, 0.0]))
        LipSyncScore(lse_d=0.0, lse_c=1.0, offset=1, search=1)
    """
    best, search = int(distances.argmin()), len(distances) // 2
    least = float(distances[best])
    return LipSyncScore(least, float(np.median(distances)) - least, best - search, search)
