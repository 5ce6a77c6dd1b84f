"""Differences with intervals, against zero."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from spfem.errors import ShapeError
from spfem.figures.bars import METRIC_LABELS
from spfem.figures.style import LOOKS, Look, look_of, title_of


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
        _draw_row(ax, row, int(place), look, clear=bool(clear[place]))
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


def draw_method_differences(ax: Axes, table: pd.DataFrame, metric: str) -> Axes:
    """Draw one line a method: its difference to the baseline in one metric, against zero.

    A filled mark stands for an interval clear of zero, an open one for an interval that holds it.
    The thin ticks are the differences of the single seeds that lie furthest apart.

    Args:
        ax: empty axes.
        table: rows of `method_differences` of one setting, one backbone a metric.
        metric: for example `mouth_error`.

    Raises:
        ShapeError: if a method has no row or several.
    """
    part = table[table.metric == metric].dropna(subset=["difference"])
    if part.empty or part.method.duplicated().any():
        raise ShapeError(
            f"differences in {metric} need one row a method; got {list(part.method) or 'none'}"
        )
    for place, (position, row) in enumerate(part.reset_index().iterrows()):
        look = look_of(str(row.method), int(str(position)))
        _draw_row(ax, row, place, look, clear=bool(row.clear))
        if row.seeds > 1:
            ax.plot([row.seed_low, row.seed_high], [place] * 2, "|", color=look.colour, ms=5)
    ax.set_yticks(np.arange(len(part)), [title_of(str(name)) for name in part.method])
    ax.set_ylim(len(part) - 0.5, -0.5)
    ax.axvline(0, color="#444444", linewidth=0.8)
    ax.xaxis.grid(visible=True)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel("Δ " + METRIC_LABELS[metric].replace("\n", ", "))
    return ax


def _draw_row(ax: Axes, row: pd.Series, place: int, look: Look, *, clear: bool) -> None:
    ax.plot([row.ci_low, row.ci_high], [place, place], color=look.colour, linewidth=1.6)
    ax.plot(
        row.difference,
        place,
        marker=look.marker,
        color=look.colour,
        markerfacecolor=look.colour if clear else "white",
        linestyle="none",
    )
