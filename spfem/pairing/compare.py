"""Two pairings of the same clips side by side: ours and the released one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from spfem.errors import InputError, ShapeError
from spfem.pairing.index import Pair

if TYPE_CHECKING:
    import pandas as pd


def path_differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """How far apart two paths (L, 2) and (M, 2) lie: float64 (S,), target frames.

    One value a source frame that both have: the difference of the mean target frames that each
    path gives it.

    Raises:
        ShapeError: if a path is not (L, 2) or they share no source frame.

    Example:
        >>> straight = np.array([[0, 0], [1, 1], [2, 2]])
        >>> path_differences(straight, np.array([[0, 0], [1, 0], [2, 1]])).tolist()
        [0.0, 1.0, 1.0]
    """
    for path in (ours, theirs):
        if path.ndim != 2 or path.shape[1] != 2 or not len(path):
            raise ShapeError(f"a path is (L, 2), found {path.shape}")
    first, second = _targets(ours), _targets(theirs)
    length = min(len(first), len(second))
    both = np.isfinite(first[:length]) & np.isfinite(second[:length])
    if not both.any():
        raise ShapeError("the paths share no source frame")
    return np.abs(first[:length] - second[:length])[both]


def _targets(path: np.ndarray) -> np.ndarray:
    """Mean target frame of each source frame, NaN where the path leaves one out."""
    counts = np.bincount(path[:, 0])
    sums = np.bincount(path[:, 0], weights=path[:, 1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def longest_hold(path: np.ndarray) -> int:
    """Most steps in a row of a path (L, 2) during which one of the two frames is held.

    Example:
        >>> longest_hold(np.array([[0, 0], [0, 1], [0, 2], [1, 3]]))
        2
    """
    longest = 0
    for side in (0, 1):
        held = np.concatenate([[False], np.diff(path[:, side]) == 0, [False]])
        edges = np.flatnonzero(np.diff(held))
        longest = max(longest, int((edges[1::2] - edges[::2]).max(initial=0)))
    return longest


def held_share(path: np.ndarray) -> float:
    """Share of the steps of a path (L, 2) that hold one of the two frames; 0 for one entry.

    Example:
        >>> held_share(np.array([[0, 0], [0, 1], [1, 2]]))
        0.5
    """
    if len(path) < 2:
        return 0.0
    return float((np.diff(path, axis=0) == 0).any(1).mean())


def compare_pairings(ours: Iterable[Pair], theirs: Iterable[Pair]) -> pd.DataFrame:
    """One row for each pair that both have, in our order.

    Columns: actor, emotion, source, target; `path_ours`, `path_theirs` entries; `held_ours`,
    `held_theirs` share of the steps that hold a frame; `longest_hold_ours`, `longest_hold_theirs`
    steps; `mean_distance`, `largest_distance` between the paths, frames (see `path_differences`);
    `within_one_frame` share of source frames; `cost_ours`, `cost_theirs` mean local cost on the
    path; `dropped` whether our gate drops the pair.

    Raises:
        InputError: if no pair is in both.
    """
    import pandas as pd

    known = {(pair.source, pair.target): pair for pair in theirs}
    rows = []
    for pair in ours:
        other = known.get((pair.source, pair.target))
        if other is None:
            continue
        distance = path_differences(pair.path, other.path)
        rows.append(
            {
                "actor": pair.actor,
                "emotion": pair.emotion,
                "source": pair.source,
                "target": pair.target,
                "path_ours": len(pair.path),
                "path_theirs": len(other.path),
                "held_ours": held_share(pair.path),
                "held_theirs": held_share(other.path),
                "longest_hold_ours": longest_hold(pair.path),
                "longest_hold_theirs": longest_hold(other.path),
                "mean_distance": float(distance.mean()),
                "largest_distance": float(distance.max()),
                "within_one_frame": float((distance <= 1).mean()),
                "cost_ours": pair.normalised_cost,
                "cost_theirs": other.normalised_cost,
                "dropped": not pair.usable,
            }
        )
    if not rows:
        raise InputError("the two pairings have no pair in common; they are of other clips")
    return pd.DataFrame(rows)


def summarise_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """Means of `compare_pairings` by emotion, and over all; `pairs` counts them.

    `dropped` becomes the number of pairs that our gate drops, the others are means.
    """
    import pandas as pd

    shown = [c for c in comparison.columns if c not in ("actor", "emotion", "source", "target")]
    parts = [*comparison.groupby("emotion"), ("all", comparison)]
    rows = [
        {
            "emotion": name,
            "pairs": len(part),
            **part[shown].mean(),
            "dropped": part["dropped"].sum(),
        }
        for name, part in parts
    ]
    return pd.DataFrame(rows)
