"""Which windows of another emotion sound like a given window: pairs without annotation.

Source: SCMCL. Departs from the released code: nothing is drawn here, all candidates are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.correlation.crossmodal.bank import NEUTRAL, AudioBank, Nearest
from spfem.settings import EMOTIONS


@dataclass(frozen=True)
class Candidates:
    """Windows that sound alike, for N source windows; K columns, ascending distance.

    Attributes:
        window: (N, K) int32 number of the window in the bank, -1 where there is none.
        distance: (N, K) float32 audio distance to the window that was asked with, infinite where
            there is none.
        by_way_of: (N, K) int32 neutral window between two other emotions, else -1.
        first_distance: (N, K) float32 audio distance from the source to that neutral window,
            else 0; infinite where there is no candidate.
    """

    window: np.ndarray
    distance: np.ndarray
    by_way_of: np.ndarray
    first_distance: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """(N,) bool, whether a source window has a candidate."""
        return self.window[:, 0] >= 0


def retrieve_all(bank: AudioBank, emotion: str, windows: np.ndarray | None = None) -> Candidates:
    """Candidates of many source windows for a target emotion.

    The same emotion: the window itself at distance 0. From or to neutral: the nearest windows
    below the threshold. Between two other emotions: one candidate, the nearest window of the
    nearest neutral window, where both are below the threshold.

    Args:
        bank: of the actor.
        emotion: of the candidates, one of `EMOTIONS`.
        windows: (N,) numbers of source windows; default all, in the order of the bank.

    Raises:
        CorpusError: if the bank has no window of the emotion.
    """
    wanted = np.arange(len(bank.clip)) if windows is None else np.asarray(windows)
    targets = bank.windows(emotion)
    widest = [nearest.index.shape[1] for nearest in bank.from_neutral.values()]
    widest += [nearest.index.shape[1] for nearest in bank.to_neutral.values()]
    shape = (len(wanted), max(widest, default=1))
    result = Candidates(
        np.full(shape, -1, np.int32),
        np.full(shape, np.inf, np.float32),
        np.full(shape, -1, np.int32),
        np.full(shape, np.inf, np.float32),
    )
    for label in np.unique(bank.emotion[wanted]):
        source = EMOTIONS[label]
        here = np.flatnonzero(bank.emotion[wanted] == label)
        rows = np.searchsorted(bank.windows(source), wanted[here])
        if source == emotion:
            result.window[here, 0] = wanted[here]
            result.distance[here, 0] = result.first_distance[here, 0] = 0
        elif source == NEUTRAL:
            _put(result, here, bank.from_neutral[emotion], rows, targets)
        elif emotion == NEUTRAL:
            _put(result, here, bank.to_neutral[source], rows, targets)
        else:
            _put_by_way_of_neutral(result, here, bank, source, emotion, rows)
    return result


def _put(
    result: Candidates, here: np.ndarray, nearest: Nearest, rows: np.ndarray, targets: np.ndarray
) -> None:
    index, distance = nearest.index[rows], nearest.distance[rows]
    places = np.ix_(here, np.arange(index.shape[1]))
    result.window[places] = np.where(index >= 0, targets[index], -1)
    result.distance[places] = distance
    result.first_distance[places] = np.where(index >= 0, 0, np.inf)


def _put_by_way_of_neutral(
    result: Candidates,
    here: np.ndarray,
    bank: AudioBank,
    source: str,
    emotion: str,
    rows: np.ndarray,
) -> None:
    to_neutral, onward = bank.to_neutral[source], bank.from_neutral[emotion]
    neutral, first_distance = to_neutral.index[rows, 0], to_neutral.distance[rows, 0]
    index, distance = onward.index[neutral, 0], onward.distance[neutral, 0]
    found = (neutral >= 0) & (index >= 0)
    places = here[found]
    result.window[places, 0] = bank.windows(emotion)[index[found]]
    result.distance[places, 0] = distance[found]
    result.by_way_of[places, 0] = bank.windows(NEUTRAL)[neutral[found]]
    result.first_distance[places, 0] = first_distance[found]
