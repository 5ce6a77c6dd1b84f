"""Published changes beside ours, claim by claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from spfem.errors import ShapeError
from spfem.figures.style import title_of

LINEAR = 0.001  # of the base, below which the axis is linear
PUBLISHED_MARKS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("stccl", "mead"): ("D", "STCCL, MEAD"),
    ("stccl", "ravdess"): ("s", "STCCL, RAVDESS"),
    ("scmcl", "mead"): ("^", "SCMCL, MEAD"),
}
"""Paper and corpus to marker and name; open marks, so that grey suffices to tell them."""

GREY, BLACK = "#777777", "#000000"


def draw_forest(ax: Axes, check: pd.DataFrame, gains: Mapping[str, int]) -> list[tuple[str, str]]:
    """Draw one line a metric and method: what papers print, open; ours with interval, filled.

    To the right is better, in shares of the base; the axis is logarithmic beyond `LINEAR`.
    Ours is one mark however many papers claim the same. A line without ours was not tested.

    Args:
        ax: empty axes.
        check: rows of `check_papers`, part `method`, of one setting and base.
        gains: published metric to the sign of a better value.

    Returns:
        The (metric, method) of each line, from above.

    Raises:
        ShapeError: if there is no row.
    """
    if check.empty:
        raise ShapeError("no claim to draw; give the rows of part 'method' of one setting")
    lines = list(dict.fromkeys(zip(check.metric, check.addition, strict=True)))
    lines.sort(key=lambda line: list(gains).index(line[0]))
    for place, (metric, addition) in enumerate(lines):
        rows = check[(check.metric == metric) & (check.addition == addition)]
        for row in rows.to_dict("records"):
            marker, _ = PUBLISHED_MARKS[row["source"].split(",")[0].lower(), row["corpus"]]
            value = row["published_change"] * gains[metric]
            ax.plot(value, place, marker, color=GREY, markerfacecolor="white", markersize=5)
        _draw_ours(ax, rows.iloc[0], place, gains[metric])
    ax.set_yticks(np.arange(len(lines)), [_label(*line) for line in lines])
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.axvline(0, color="#444444", linewidth=0.8)
    ax.set_xscale("symlog", linthresh=LINEAR, linscale=0.5)
    ax.set_xlim(-1, 1)
    ticks = [-0.1, -0.01, -LINEAR, 0, LINEAR, 0.01, 0.1]
    ax.set_xticks(ticks, minor=False)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.1%}" if value else "0"))
    ax.tick_params(axis="x", labelsize=7)
    ax.xaxis.grid(visible=True)
    ax.set_xlabel("better than NED by (symmetric log)")
    return lines


def forest_legend(check: pd.DataFrame) -> list[Line2D]:
    """Handles of a legend for `draw_forest`: the papers in the rows, and ours."""
    present = {
        (row["source"].split(",")[0].lower(), row["corpus"]) for row in check.to_dict("records")
    }
    handles = [
        Line2D([], [], marker=marker, color=GREY, markerfacecolor="white", ls="", label=name)
        for key, (marker, name) in PUBLISHED_MARKS.items()
        if key in present
    ]
    on = ", ".join(sorted({name for name in check.ours_on if name}))
    for fill, word in ((BLACK, "clear of zero"), ("white", "holds zero")):
        text = f"ours on {on}, interval {word}"
        style = {"marker": "o", "color": BLACK, "markerfacecolor": fill}
        if on:
            handles.append(Line2D([], [], label=text, **style))  # type: ignore[arg-type]
    return handles


def _draw_ours(ax: Axes, row: pd.Series, place: int, sign: int) -> None:
    ends: Sequence[float] = [row.change_low, row.change_high]
    if not np.isfinite(row.ours_change):
        return
    ax.plot([sign * end for end in ends], [place, place], color=BLACK, linewidth=1.8)
    clear = min(ends) > 0 or max(ends) < 0
    fill = BLACK if clear else "white"
    ax.plot(sign * row.ours_change, place, "o", color=BLACK, markerfacecolor=fill, markersize=5)


def _label(metric: str, addition: str) -> str:
    return f"{metric}, {title_of('ned+' + addition).removeprefix('NED + ')}"
