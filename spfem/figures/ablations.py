"""Ablations: what each change does to each quantity, a dot with an interval against zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spfem.errors import ShapeError
from spfem.figures.style import LOOKS, new_figure

ROW_INCHES = 0.23
MARGIN_INCHES = 1.0
LABEL_LETTERS = 20  # of a line under a panel


def draw_ablation(table: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Draw one panel a quantity and one line a variant: its difference, against zero.

    A filled mark is clear of zero after the adjustment for many comparisons, an open one is not.
    Thin ticks are the differences of the single seeds that lie furthest apart; lines between rows
    part the components; variants that are compared with another one than the default say so.

    Args:
        table: rows of `ablation_rows`.
        labels: quantity to the text under its panel, in the order of the panels.

    Raises:
        ShapeError: if no variant has a difference.
    """
    part = table[table.difference.notna()]
    if part.empty:
        raise ShapeError("no variant has a difference to draw; make the default variant first")
    variants = list(dict.fromkeys(part.variant))
    height = MARGIN_INCHES + ROW_INCHES * len(variants)
    figure, axes = new_figure(1, len(labels), height=height, sharey=True)
    first = part.drop_duplicates("variant").set_index("variant").loc[variants]
    components = list(dict.fromkeys(first.component))
    numbers = [components.index(component) for component in first.component]
    for ax, (quantity, label) in zip(axes[0], labels.items(), strict=True):
        rows = part[part.quantity == quantity].set_index("variant")
        _draw_panel(ax, [rows.loc[name] for name in variants], numbers)
        ax.set_xlabel(fill("Δ " + label, LABEL_LETTERS), fontsize=8)
    against = [other for other in dict.fromkeys(first.against) if other]
    names = [
        name if row.against == against[0] else f"{name} (to {row.against})"
        for name, row in zip(variants, first.itertuples(), strict=True)
    ]
    axes[0, 0].set_yticks(np.arange(len(variants)), names)
    axes[0, 0].set_ylim(len(variants) - 0.5, -0.5)
    return figure


def _draw_panel(ax: Axes, rows: Sequence[pd.Series], numbers: Sequence[int]) -> None:
    """One quantity; `numbers` tells the component of each row."""
    for place, (row, number) in enumerate(zip(rows, numbers, strict=True)):
        look = LOOKS[number % len(LOOKS)]
        ax.plot([row.ci_low, row.ci_high], [place] * 2, color=look.colour, linewidth=1.6)
        if row.seeds > 1:
            ax.plot([row.seed_low, row.seed_high], [place] * 2, "|", color=look.colour, ms=5)
        ax.plot(
            row.difference,
            place,
            marker=look.marker,
            color=look.colour,
            markerfacecolor=look.colour if row.clear else "white",
            linestyle="none",
        )
        if place and number != numbers[place - 1]:
            ax.axhline(place - 0.5, color="#dddddd", linewidth=0.6)
    ax.axvline(0, color="#444444", linewidth=0.8)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.tick_params(axis="x", labelsize=7)
    ax.tick_params(axis="y", length=0)
