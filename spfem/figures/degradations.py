"""Planted damage against metrics, as one picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

WORSE_AND_BETTER = LinearSegmentedColormap.from_list(
    "worse_and_better", ["#e69f00", "#ffffff", "#0072b2"]
)
UNHARMED = "none"


def by_strength(name: str) -> list[tuple[str, int]]:
    """What sorts names of one damage by its strength.

    Example:
        >>> sorted(["10 frames late", "2 frames late"], key=by_strength)
        ['2 frames late', '10 frames late']
    """
    return [("", int(word)) if word.isdigit() else (word, 0) for word in name.split()]


def draw_degradations(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw by how much each degradation worsens each metric, relative to its worst one.

    A cell whose interval holds zero is marked by a small circle.

    Args:
        ax: to draw on.
        table: of `spfem.evaluation.degradations.degradation_table`.
    """
    shown = table[(table.degradation != UNHARMED) & table.worse_by.notna()]
    shown = shown.assign(row=shown.metric + ", " + shown.backbone)
    worse = shown.pivot_table(index="row", columns="degradation", values="worse_by", sort=False)
    in_order = sorted(map(str, worse), key=by_strength)
    worse = worse[in_order]
    low = shown.pivot_table(index="row", columns="degradation", values="ci_low", sort=False)
    high = shown.pivot_table(index="row", columns="degradation", values="ci_high", sort=False)
    values = worse.to_numpy(float)
    largest = np.abs(values).max(axis=1, keepdims=True)
    values = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    ax.imshow(values, cmap=WORSE_AND_BETTER, vmin=-1, vmax=1, aspect="auto")
    unsure = (low.reindex_like(worse) <= 0) & (high.reindex_like(worse) >= 0)
    for row, column in np.argwhere(unsure.to_numpy()):
        ax.plot(column, row, "o", color="#555555", markersize=3, fillstyle="none")
    ax.set_xticks(range(values.shape[1]), list(worse.columns), rotation=35, ha="right")
    ax.set_yticks(range(len(worse)), list(worse.index))
    ax.tick_params(length=0)
    return ax
