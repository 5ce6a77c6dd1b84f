"""Differences with the intervals that their tables state, against zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
import seaborn.objects as so
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spfem.errors import ShapeError
from spfem.plots import LOOKS, METRIC_LABELS, Look, look_of, new_figure, title_of
from studies.drawing import draw_on

ROW_INCHES = 0.23
MARGIN_INCHES = 1.0
LABEL_LETTERS = 20  # of a line under a panel
WORSE_AND_BETTER = LinearSegmentedColormap.from_list(
    "worse_and_better", ["#e69f00", "#ffffff", "#0072b2"]
)
UNHARMED = "none"  # the degradation that does nothing
COLUMNS = (("color", "edge"), ("edgecolor", "edge"), ("marker", "mark"))
"""Property of a mark -> column that holds its value."""


def draw_intervals(
    ax: Axes, table: pd.DataFrame, names: Sequence[str], looks: Sequence[Look]
) -> Axes:
    """Draw one line a row, from above: its difference and interval, against zero.

    A filled mark is clear of zero, an open one is not. Thin ticks are the differences of the
    single seeds that lie furthest apart. A row without a difference stays empty.

    Rows have difference, ci_low, ci_high; clear, or the interval decides; of several seeds also
    seeds, seed_low, seed_high. There is a name and a look for each.
    """
    clear = table.get("clear", (table.ci_low > 0) | (table.ci_high < 0)).astype(bool)
    edges = [look.colour for look in looks]
    rows = table.assign(
        place=np.arange(len(table)),
        edge=edges,
        face=np.where(clear, edges, "white"),
        mark=[look.marker for look in looks],
    ).dropna(subset="difference")
    chart = so.Plot(rows, x="difference", y="place")
    span = {"color": "edge", "xmin": "ci_low", "xmax": "ci_high", "orient": "y"}
    chart = chart.add(so.Range(linewidth=1.6), legend=False, **span)
    if "seeds" in rows:
        tick = so.Dot(marker="|", pointsize=5, stroke=1.2)
        for end in ("seed_low", "seed_high"):
            chart = chart.add(tick, data=rows[rows.seeds > 1], x=end, color="edge", legend=False)
    chart = chart.add(
        so.Dot(pointsize=6, edgewidth=1.2), color="face", edgecolor="edge", marker="mark",
        legend=False,
    )  # fmt: skip
    same = {name: {value: value for value in (*rows[column], "white")} for name, column in COLUMNS}
    draw_on(ax, chart.scale(**{name: so.Nominal(values) for name, values in same.items()}))
    for marks in ax.collections:
        if isinstance(marks, PathCollection):
            marks.set_zorder(3)  # open marks hide the line under them
    return against_zero(ax, names)


def against_zero(ax: Axes, names: Sequence[str]) -> Axes:
    """Name the lines of a chart from above and mark zero."""
    ax.set_yticks(np.arange(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.axvline(0, color="#444444", linewidth=0.8)
    ax.xaxis.grid(visible=True)
    return ax


def draw_differences(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw one line a row of `defects.csv`: the difference released minus corrected.

    Raises:
        ShapeError: if there is no row.
    """
    if table.empty:
        raise ShapeError("no row to draw; give the differences of at least one defect")
    number = table.groupby(["metric", "defect"], sort=False).ngroup()
    looks = [LOOKS[place % len(LOOKS)] for place in number]
    names = (table.defect + ": " + table.quantity).str.replace("_", " ")
    draw_intervals(ax, table.drop(columns="seeds", errors="ignore"), list(names), looks)
    ax.set_xlabel("released minus corrected")
    return ax


def draw_method_differences(ax: Axes, table: pd.DataFrame, metric: str) -> Axes:
    """Draw one line a method: its difference to the baseline in one metric, against zero.

    `table` holds rows of `method_differences` of one base and setting, with one backbone a metric
    and one method that all are compared with.

    Raises:
        ShapeError: if a method has no row or several.
    """
    part = table[table.metric == metric].dropna(subset=["difference"])
    if part.empty or part.method.duplicated().any():
        raise ShapeError(
            f"differences in {metric} need one row a method; got {list(part.method) or 'none'}"
        )
    looks = [look_of(name, place) for place, name in enumerate(part.method)]
    draw_intervals(ax, part, [title_of(name) for name in part.method], looks)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel("Δ " + METRIC_LABELS[metric].replace("\n", ", "))
    return ax


def draw_ablation(table: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Draw what each change does to each quantity: one panel a quantity and one line a variant.

    A mark is filled if it is clear of zero after the adjustment for many comparisons. Lines
    between rows part the components; variants that are compared with another one than the
    default say so.

    Args:
        table: rows of `ablation_rows`.
        labels: quantity to the text under its panel, in the order of the panels.

    Raises:
        ShapeError: if no variant has a difference.
    """
    part = table[table.difference.notna()]
    if part.empty:
        raise ShapeError("no variant has a difference to draw; make the default variant first")
    first = part.drop_duplicates("variant").set_index("variant")
    usual = next((other for other in first.against if other), "")
    names = [
        name if other == usual else f"{name} (to {other})"
        for name, other in zip(map(str, first.index), first.against, strict=True)
    ]
    component, _ = pd.factorize(first.component)
    looks = [LOOKS[number % len(LOOKS)] for number in component]
    height = MARGIN_INCHES + ROW_INCHES * len(first)
    figure, axes = new_figure(1, len(labels), height=height, sharey=True)
    for ax, (quantity, label) in zip(axes[0], labels.items(), strict=True):
        rows = part[part.quantity == quantity].set_index("variant").loc[first.index]
        draw_intervals(ax, rows, names, looks)
        for place in np.flatnonzero(np.diff(component)):
            ax.axhline(place + 0.5, color="#dddddd", linewidth=0.6)
        ax.set_xlabel(fill("Δ " + label, LABEL_LETTERS), fontsize=8)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.tick_params(axis="x", labelsize=7)
        ax.tick_params(axis="y", length=0)
    return figure


def by_strength(name: str) -> list[tuple[str, int]]:
    """What sorts names of one damage by its strength: 2 frames late before 10."""
    return [("", int(word)) if word.isdigit() else (word, 0) for word in name.split()]


def draw_degradations(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw by how much each degradation worsens each metric, relative to its worst one.

    A cell whose interval holds zero is marked by a small circle. `table` is that of
    `studies.degradations.degradation_table`.
    """
    shown = table[(table.degradation != UNHARMED) & table.worse_by.notna()]
    unsure = np.where((shown.ci_low <= 0) & (shown.ci_high >= 0), "○", "")
    shown = shown.assign(row=shown.metric + ", " + shown.backbone, unsure=unsure)
    order = sorted(map(str, shown.degradation.unique()), key=by_strength)
    places = {"index": "row", "columns": "degradation"}
    worse = shown.pivot(**places, values="worse_by").loc[shown.row.unique(), order]
    marks = shown.pivot(**places, values="unsure").loc[worse.index, order].fillna("")
    worse = worse.div(worse.abs().max(axis=1).replace(0, 1), axis=0)
    sns.heatmap(
        worse, cmap=WORSE_AND_BETTER, vmin=-1, vmax=1, cbar=False, ax=ax, annot=marks, fmt="",
        annot_kws={"size": 8, "color": "#555555"},
    )  # fmt: skip
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0)
    ax.set_xticks(ax.get_xticks(), order, rotation=35, ha="right")
    return ax
