"""Values over steps or time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spfem.errors import ShapeError
from spfem.figures.style import LOOKS, legend_above, look_of, new_figure, title_of


def draw_curves(
    ax: Axes,
    table: pd.DataFrame,
    columns: Sequence[str],
    *,
    over: str = "step",
    smoothing: int = 1,
) -> Axes:
    """Draw columns of a training record over the steps.

    Args:
        ax: empty axes.
        table: one row a recorded step.
        columns: names of what is drawn.
        over: column along the axis.
        smoothing: rows of a running mean; the raw curve stays faintly visible.

    Raises:
        ShapeError: if a column is missing, or there are more than looks to tell them apart.
    """
    if len(columns) > len(LOOKS):
        raise ShapeError(
            f"{len(columns)} curves in one axes cannot be told apart, {len(LOOKS)} can; "
            "draw_terms gives each axes of its own"
        )
    missing = [name for name in (over, *columns) if name not in table]
    if missing:
        raise ShapeError(
            f"the record has no column {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    for position, name in enumerate(columns):
        look, values = look_of(name, position), table[name]
        if smoothing > 1:
            ax.plot(table[over], values, color=look.colour, alpha=0.25, linewidth=0.8)
            values = values.rolling(smoothing, min_periods=1, center=True).mean()
        ax.plot(
            table[over],
            values,
            color=look.colour,
            linestyle=look.line,
            label=title_of(name),
        )
    ax.set_xlabel(over)
    ax.grid(visible=True)
    legend_above(ax, min(2, len(columns)))
    return ax


def draw_learning(ax: Axes, record: Path, columns: Sequence[str] = ("loss",)) -> Axes:
    """Draw columns of a learning record (`curve.json`): one of all splits, several held out.

    Args:
        ax: empty axes.
        record: rows with `step`, `split` and the columns.
        columns: one is drawn for each split, several for the held-out actors.
    """
    curve = pd.DataFrame(json.loads(record.read_text(encoding="utf-8")))
    if len(columns) > 1:
        return draw_curves(ax, curve[curve.split == "held_out"], columns)
    shown = curve.pivot_table(index="step", columns="split", values=columns[0]).reset_index()
    draw_curves(ax, shown, [split for split in ("train", "held_out") if split in shown])
    ax.set_ylabel(columns[0])
    return ax


def draw_over_time(ax: Axes, curves: Mapping[str, np.ndarray], *, fps: float, label: str) -> Axes:
    """Draw values of each frame, such as mouth openings of methods and truth.

    Args:
        ax: empty axes.
        curves: name -> (T,) values.
        fps: frames per second.
        label: of the values, with unit.
    """
    for position, (name, values) in enumerate(curves.items()):
        look = look_of(name, position)
        ax.plot(
            np.arange(len(values)) / fps,
            values,
            color=look.colour,
            linestyle=look.line,
            label=title_of(name),
        )
    ax.set(xlabel="time in seconds", ylabel=label)
    ax.grid(visible=True)
    legend_above(ax, min(4, len(curves)))
    return ax


def draw_terms(
    curves: Mapping[str, pd.DataFrame], *, columns: int = 4, smoothing: int = 1
) -> Figure:
    """Draw training records of several methods: one axes a term, the methods in it.

    Args:
        curves: method -> one row a recorded step, with `step`; terms that only some methods have
            are drawn for those.
        columns: axes side by side.
        smoothing: rows of a running mean.

    Raises:
        ShapeError: if there is no term.
    """
    terms = list(dict.fromkeys(str(name) for curve in curves.values() for name in curve))
    terms = [name for name in terms if name != "step"]
    if not terms:
        raise ShapeError("the records have no term beside step")
    rows = -(-len(terms) // columns)
    looks = {name: look_of(name, position) for position, name in enumerate(curves)}
    figure, axes = new_figure(rows, columns, height=0.5 + 1.5 * rows, sharex=True)
    for ax, term in zip(axes.flat, terms, strict=False):
        for name, curve in curves.items():
            if term in curve:
                values = curve[term].rolling(smoothing, min_periods=1, center=True).mean()
                look = looks[name]
                ax.plot(curve["step"], values, color=look.colour, linestyle=look.line)
        ax.set_title(title_of(term), loc="left")
        ax.grid(visible=True)
    for place, ax in enumerate(axes.flat):
        ax.set_visible(place < len(terms))
        if len(terms) - columns <= place < len(terms):  # the lowest of its column
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("step")
    lines = [
        axes[0, 0].plot([], [], color=look.colour, linestyle=look.line)[0]
        for look in looks.values()
    ]
    titles = [title_of(name) for name in curves]
    figure.legend(lines, titles, loc="outside upper right", ncols=3)
    return figure
