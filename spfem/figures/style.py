"""One look for all figures: legible at notebook width, for colour-blind readers and in grey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spfem.methods import METHODS

WIDTH = 7.2  # inches
SIMILARITY_COLOURS = "viridis"  # even in lightness, and coloured where the face is grey
WEIGHT_COLOURS = "magma"
MARK_COLOUR = "#ffffff"

STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "image.interpolation": "nearest",
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}


class Look(NamedTuple):
    """How a series is told apart by colour, and in grey by marker, line and hatch."""

    colour: str
    marker: str
    line: str
    hatch: str


LOOKS: tuple[Look, ...] = (
    Look("#0072b2", "o", "-", ""),
    Look("#e69f00", "s", "--", "///"),
    Look("#009e73", "^", "-.", "..."),
    Look("#cc79a7", "D", ":", "xx"),
    Look("#56b4e9", "v", (0, (5, 1)), "\\\\"),  # type: ignore[arg-type]
    Look("#000000", "P", (0, (1, 1)), "++"),  # type: ignore[arg-type]
)
"""Looks of unnamed series, in the order of use (colours of Okabe and Ito)."""

METHOD_LOOKS: Mapping[str, Look] = {
    "copy": Look("#c8c8c8", "x", (0, (1, 3)), "xx"),  # type: ignore[arg-type]
    "random": Look("#54307a", "h", (0, (3, 1, 1, 1, 1, 1)), "**"),  # type: ignore[arg-type]
    "ned": Look("#e69f00", "s", "--", "///"),
    "ned+asccl": Look("#006aa8", "o", "-", ""),
    "ned+stccl_vd": Look("#009e73", "^", "-.", "..."),
    "ned+stccl_cm": Look("#6cc0f0", "v", (0, (5, 1)), "\\\\"),  # type: ignore[arg-type]
    "ned+scmcl": Look("#cc79a7", "P", ":", "++"),
    "ned+all": Look("#cc5500", "*", (0, (3, 1, 1, 1)), "oo"),  # type: ignore[arg-type]
    "truth": Look("#222222", "D", (0, (1, 1)), "--"),  # type: ignore[arg-type]
}
"""Looks of methods in every figure: colours near Okabe's and Ito's, moved apart in lightness."""


def title_of(name: str) -> str:
    """How figures write the name of a method, or words that are joined by underscores."""
    return METHODS[name].title if name in METHODS else name.replace("_", " ")


def look_of(name: str, position: int) -> Look:
    """Fixed look of a method, else the look of a position."""
    return METHOD_LOOKS.get(name, LOOKS[position % len(LOOKS)])


def apply_style() -> None:
    """Make the style that of all figures made from here on."""
    mpl.rcParams.update(STYLE)


def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    height: float = 2.6,
    width: float = WIDTH,
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """Make a styled figure that no plotting state holds on to.

    Args:
        rows: of axes.
        columns: of axes.
        height: inches, of the whole figure.
        width: inches.
        **options: of `Figure.subplots`, for example `sharey=True`.

    Returns:
        The figure and its axes as an array (rows, columns).
    """
    apply_style()
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, np.asarray(figure.subplots(rows, columns, squeeze=False, **options))


def without_frame(ax: Axes) -> Axes:
    """Drop ticks and spines, for axes that hold a picture."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def legend_above(ax: Axes, columns: int) -> None:
    """Put the legend over the axes, where it hides no data."""
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=columns,
        borderaxespad=0.2,
        columnspacing=1.2,
        handlelength=2.2,
    )
