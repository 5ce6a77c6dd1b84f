"""A view of the explorer in words and numbers."""

from __future__ import annotations

import numpy as np

from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.explore.selection import METRIC_TITLES, Selection


def describe_places(
    chosen: Selection,
    pair: ExploredPair,
    frames: tuple[int, int],
    maps: tuple[np.ndarray, np.ndarray],
    quantity: str,
) -> str:
    """The view of a metric that compares places.

    Args:
        chosen: what is shown.
        pair: its clips.
        frames: matched and mismatched frame of the second clip.
        maps: (H, W) each, matched and mismatched, nothing blanked but the border.
        quantity: what the maps hold.
    """
    place = (chosen.row, chosen.column)
    height, width = maps[0].shape
    best = np.unravel_index(np.nanargmax(maps[0]), maps[0].shape)
    digits = 4 if quantity == "probability" else 2
    return " ".join(
        [
            f"{METRIC_TITLES[chosen.metric]}, level {chosen.level}, row {place[0]} and column "
            f"{place[1]} of {height} by {width}, {_moment(pair.first, chosen.frame)}.",
            f"Matched, {_moment(pair.second, frames[0])}: {quantity} "
            f"{_value(maps[0], place, digits)} at the same place; highest "
            f"{maps[0][best]:.{digits}f} at row {best[0]}, column {best[1]}.",
            f"Mismatched, {_moment(pair.second, frames[1])}: "
            f"{_value(maps[1], place, digits)} at the same place.",
            *([pair.remark] if pair.remark else []),
        ]
    )


def describe_distances(
    chosen: Selection,
    pair: ExploredPair,
    frames: tuple[int, int],
    sound: np.ndarray,
    expression: np.ndarray,
) -> str:
    """The view of a metric of sound and expression, from distances (T, U) of both."""
    said = [
        f"{name}, {_moment(pair.second, frame)}: distance of sound "
        f"{sound[chosen.frame, frame]:.2f}, of expression {expression[chosen.frame, frame]:.2f}."
        for name, frame in zip(("Matched", "Mismatched"), frames, strict=True)
    ]
    start = f"{METRIC_TITLES[chosen.metric]}, {_moment(pair.first, chosen.frame)}."
    return " ".join([start, *said, *([pair.remark] if pair.remark else [])])


def _moment(clip: ExploredClip, frame: int) -> str:
    viseme = "" if clip.visemes is None else f" (viseme {clip.visemes[frame]})"
    return f"{clip.emotion} frame {frame}{viseme}"


def _value(values: np.ndarray, place: tuple[int, int], digits: int) -> str:
    here = values[place]
    rank = int((values > here).sum()) + 1
    return f"{here:.{digits}f}, rank {rank} of {int(np.isfinite(values).sum())},"
