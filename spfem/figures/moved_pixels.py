"""What pictures and what codes lose: bars by codes, coloured by renderer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spfem.errors import ShapeError
from spfem.figures.bars import METRIC_LABELS, draw_bars
from spfem.figures.style import new_figure

NED_RENDERER = "ned_renderer_"  # how the names of rows by NED's renderer begin
LEVELS = {"copy": ":", "truth": "--"}  # rows drawn as lines, and their style
SHOWN = {
    "mouth_error": METRIC_LABELS["mouth_error"],
    "emotion_accuracy": METRIC_LABELS["emotion_accuracy"],
    "detail_mouth": "mouth detail ↑\nby the truth's",
    "detail_eyes": "eye detail ↑\nby the truth's",
}
"""Metrics that are drawn -> their labels."""


def draw_moved_pixels(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw the metrics of `SHOWN` under each other.

    Args:
        table: rows with row, metric, value, ci_low, ci_high, of `moved_pixels_table`.
        titles: row -> which codes it shows.

    Raises:
        ShapeError: if a row has no title.
    """
    if nameless := sorted(set(table.row) - set(titles)):
        raise ShapeError(f"rows without a title: {', '.join(nameless)}")
    by_ned = table.row.str.startswith(NED_RENDERER)
    bars = table.assign(
        renderer=np.where(by_ned, "NED's renderer", "moved pixels"), codes=table.row.map(titles)
    )
    edited = ~bars.row.isin(list(LEVELS))
    figure, axes = new_figure(len(SHOWN), 1, height=7.6, sharex=True)
    for ax, (metric, label) in zip(axes.flat, SHOWN.items(), strict=True):
        part = bars[(bars.metric == metric) & edited]
        draw_bars(ax, part, group="codes", series="renderer", write_values=True, legend=False)
        levels = table[table.metric == metric].set_index("row").value
        for row, style in LEVELS.items():
            ax.axhline(levels[row], linestyle=style, color="#444444", label=titles[row])
        ax.set_ylabel(label)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure
