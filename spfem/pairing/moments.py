"""Which moments of two clips of the same words belong together, and which do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spfem.pairing.dtw import align_sequences, alignment_features
from spfem.settings import PairingSettings

USUAL_SHARE = 4  # of the clip: how far away the other moment is, if nothing speaks against it


class SoundingFrames(NamedTuple):
    """Sound (A,) of a clip at the rate of the settings, its frames, and how many are a second."""

    waveform: np.ndarray
    frames: int
    fps: float


def align_waveforms(
    first: SoundingFrames, second: SoundingFrames, settings: PairingSettings
) -> tuple[np.ndarray, float]:
    """Align two clips of any frame rates by their sound, as the pairing stage does.

    Returns:
        The path (N, 2) of frames and its mean cost; a clip with itself gives the diagonal.
    """
    features = [alignment_features(side.waveform, side.fps, settings) for side in (first, second)]
    found = align_sequences(features[0], features[1])
    return found.path[(found.path < (first.frames, second.frames)).all(1)], found.normalised_cost


def doubt_alignment(cost: float, settings: PairingSettings) -> str:
    """What to say of an alignment of a mean cost; nothing of one that can be trusted."""
    words = (
        f"The sounds hardly fit (cost {cost:.1f}, trusted up to {settings.maximum_cost:.1f}): "
        "do both clips say the same words?"
    )
    return "" if settings.trusts(cost) else words


def matched_frames(path: np.ndarray, count: int) -> np.ndarray:
    """(T,) frames of the second clip that say what the T = `count` of the first say.

    The middle one where the path (N, 2) passes several; that of the nearest frame where it passes
    none.
    """
    found = []
    for frame in range(count):
        distance = np.abs(path[:, 0] - frame)
        there = path[distance == distance.min(), 1]
        found.append(there[len(there) // 2])
    return np.array(found, np.int32)


def says_something_else(
    matched: np.ndarray,
    length: int,
    gap_frames: int,
    visemes: tuple[Sequence[str], Sequence[str]] | None = None,
) -> np.ndarray:
    """(T, U) bool, frames of the second clip that are far from the matched one and say otherwise.

    Args:
        matched: (T,) see `matched_frames`.
        length: U, frames of the second clip.
        gap_frames: how many frames away is far.
        visemes: of the frames of both clips, where they are known; else the distance alone counts.
    """
    others = np.abs(np.arange(length) - matched[:, None]) >= gap_frames
    if visemes is not None:
        first, second = (np.asarray(names) for names in visemes)
        others &= (second != first[:, None]) & (second != second[matched][:, None])
    return others


def other_frames(matched: np.ndarray, elsewhere: np.ndarray, gap_frames: int) -> np.ndarray:
    """(T,) frames at which something else is said, about a quarter of the clip away.

    Of a clip that is too short, or all one viseme, the farther end. See `says_something_else`.
    """
    length = elsewhere.shape[1]
    wanted, found = max(gap_frames, length // USUAL_SHARE), []
    for frame, others in zip(matched, map(np.flatnonzero, elsewhere), strict=True):
        if len(others):
            found.append(others[np.abs(np.abs(others - frame) - wanted).argmin()])
        else:
            found.append(length - 1 if frame < length / 2 else 0)
    return np.array(found, np.int32)
