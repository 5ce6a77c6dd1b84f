"""Everything that a picture of the explorer shows, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spfem.explore.clips import ExploredPair
from spfem.explore.selection import Selection

Quantity = Literal["similarity", "probability", "distance"]


@dataclass(frozen=True)
class View:
    """The explorer's selection, computed.

    Attributes:
        selection: what was asked for.
        pair: its clips, of T and U frames.
        matched_frame: frame of the second clip that says the same as the chosen one.
        mismatched_frame: frame of the second clip that does not.
        has_places: whether the metric compares places; if not, the maps are None.
        within: (H, W), the chosen place to every place of the same face; NaN on the border and
            below the threshold.
        matched: (H, W), to every place of the matched frame.
        mismatched: (H, W), to every place of the mismatched frame.
        weights: (H, W) disparity weights of the first face in [1, 2), if selected.
        moments: (T, U), the chosen place at every frame of the first clip against the same place
            at every frame of the second; of metrics without places, distances of expressions.
        moments_of_sound: (T, U) distances of sound, of metrics without places.
        quantity: what the maps hold.
        limits: least and largest value of the maps' colours.
        text: the view in words and numbers.
    """

    selection: Selection
    pair: ExploredPair
    matched_frame: int
    mismatched_frame: int
    has_places: bool
    within: np.ndarray | None
    matched: np.ndarray | None
    mismatched: np.ndarray | None
    weights: np.ndarray | None
    moments: np.ndarray
    moments_of_sound: np.ndarray | None
    quantity: Quantity
    limits: tuple[float, float]
    text: str
