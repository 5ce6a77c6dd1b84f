"""Differences with intervals, against zero."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from spfem.errors import ShapeError
from spfem.figures.style import LOOKS


def draw_differences(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw one line a row of `defects.csv`: the difference released minus corrected.

    A filled dot marks an interval clear of zero, an open one an interval that holds it.

    Args:
        ax: empty axes.
        table: rows with metric, defect, quantity, difference, ci_low, ci_high.

    Raises:
        ShapeError: if there is no row.
    """
    if table.empty:
        raise ShapeError("no row to draw; give the differences of at least one defect")
    places = np.arange(len(table))
    clear = ((table.ci_low > 0) | (table.ci_high < 0)).to_numpy()
    groups = list(dict.fromkeys(zip(table.metric, table.defect, strict=True)))
    for place, (_, row) in zip(places, table.iterrows(), strict=True):
        look = LOOKS[groups.index((row.metric, row.defect)) % len(LOOKS)]
        ax.plot([row.ci_low, row.ci_high], [place, place], color=look.colour, linewidth=1.6)
        ax.plot(
            row.difference,
            place,
            marker=look.marker,
            color=look.colour,
            markerfacecolor=look.colour if clear[place] else "white",
            linestyle="none",
        )
    names = [
        f"{row.defect.replace('_', ' ')}: {row.quantity.replace('_', ' ')}"
        for _, row in table.iterrows()
    ]
    ax.set_yticks(places, names)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.axvline(0, color="#444444", linewidth=0.8)
    ax.xaxis.grid(visible=True)
    ax.set_xlabel("released minus corrected")
    return ax
