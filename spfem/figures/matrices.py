"""Matrices of distances or correlations between moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from spfem.errors import ShapeError
from spfem.figures.style import MARK_COLOUR

MATRIX_COLOURS = "cividis"  # even in lightness, also for colour-blind readers


def draw_matrix(
    ax: Axes,
    values: np.ndarray,
    *,
    rows: str,
    columns: str,
    limits: tuple[float, float] | None = None,
    path: np.ndarray | None = None,
    colours: str = MATRIX_COLOURS,
) -> Axes:
    """Draw a matrix; it is `ax.images[-1]`, for a colour scale.

    Args:
        ax: empty axes.
        values: (N, M); row 0 at the top.
        rows: label of what the rows are.
        columns: label of what the columns are.
        limits: values of the ends of the colour scale; default those of the matrix.
        path: (L, 2) entries (row, column) to mark, such as the true matches.
        colours: name of a colour map.

    Raises:
        ShapeError: if `values` is no matrix or the path leaves it.
    """
    if values.ndim != 2 or not values.size:
        raise ShapeError(f"a matrix must be (N, M), found {values.shape}")
    low, high = limits if limits is not None else (np.nanmin(values), np.nanmax(values))
    ax.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    ax.set(xlabel=columns, ylabel=rows)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if path is not None:
        if (path < 0).any() or (path >= values.shape).any():
            raise ShapeError(f"the marked path leaves the matrix of {values.shape}")
        for colour, width in (("black", 2.6), (MARK_COLOUR, 1.2)):
            ax.plot(path[:, 1], path[:, 0], color=colour, linewidth=width)
        ax.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(values.shape[0] - 0.5, -0.5))
    return ax


def draw_matrices(
    axes: Sequence[Axes],
    matrices: dict[str, np.ndarray],
    *,
    rows: str,
    columns: str,
    shared: bool = True,
    path: np.ndarray | None = None,
) -> None:
    """Draw named matrices side by side, by default on one colour scale.

    Args:
        axes: one each.
        matrices: title -> (N, M).
        rows: label of the rows, at the first matrix only.
        columns: label of the columns.
        shared: whether all have one colour scale; else each has its own.
        path: as in `draw_matrix`.

    Raises:
        ShapeError: if there are fewer axes than matrices.
    """
    if len(axes) < len(matrices):
        raise ShapeError(f"{len(matrices)} matrices need as many axes, found {len(axes)}")
    stacked = list(matrices.values())
    everything = (
        float(min(np.nanmin(values) for values in stacked)),
        float(max(np.nanmax(values) for values in stacked)),
    )
    for number, (ax, (title, values)) in enumerate(zip(axes, matrices.items(), strict=False)):
        draw_matrix(
            ax,
            values,
            rows=rows if number == 0 else "",
            columns=columns,
            limits=everything if shared else None,
            path=path,
        )
        ax.set_title(title)


def write_numbers(ax: Axes, decimals: int = 2, *, size: float = 7.0) -> None:
    """Write the values of the matrix drawn last into its cells, for matrices small enough to read.

    Args:
        ax: axes of `draw_matrix`.
        decimals: of each number.
        size: of the numbers, points.
    """
    picture = ax.images[-1]
    values: np.ndarray = np.ma.filled(np.ma.asarray(picture.get_array()), np.nan)
    low, high = picture.get_clim()
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value < (low + high) / 2 else "black"
        text = f"{value:.{decimals}f}"
        ax.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
    ax.set(xticks=range(values.shape[1]), yticks=range(values.shape[0]))
