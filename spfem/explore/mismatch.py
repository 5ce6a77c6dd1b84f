"""Which other moment a matched one is held against."""

from __future__ import annotations

import numpy as np

from spfem.correlation.similarity import MOMENT_GAP_FRAMES
from spfem.explore.clips import ExploredPair

USUAL_SHARE = 4  # of the clip: how far away the other moment is, if nothing speaks against it


def says_something_else(pair: ExploredPair, frame: int) -> np.ndarray:
    """(U,) bool, frames of the second clip that are far from the matched one and say otherwise.

    Visemes are compared with those of both matched frames where they are known; else the distance
    in time alone counts.
    """
    matched = pair.matched_frame(frame)
    others = np.abs(np.arange(len(pair.second.faces)) - matched) >= MOMENT_GAP_FRAMES
    if pair.first.visemes is not None and pair.second.visemes is not None:
        said = (pair.first.visemes[frame], pair.second.visemes[matched])
        others &= ~np.isin(pair.second.visemes, said)
    return others


def usual_mismatch(pair: ExploredPair, frame: int) -> int:
    """Offset from the matched frame to another moment, about a quarter of the clip away."""
    matched, length = pair.matched_frame(frame), len(pair.second.faces)
    others = np.flatnonzero(says_something_else(pair, frame))
    if not len(others):  # a clip too short or one viseme throughout: the farther end
        return (length - 1 if matched < length / 2 else 0) - matched
    wanted = max(MOMENT_GAP_FRAMES, length // USUAL_SHARE)
    return int(others[np.abs(np.abs(others - matched) - wanted).argmin()]) - matched
