"""Sheets and strips of faces, weights and similarities over a face, matrices side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from spfem.errors import ShapeError
from spfem.picture_plots import draw_map, draw_matrix, mark_place
from spfem.plots import WEIGHT_COLOURS, title_of, without_frame

GAP = 2  # pixels between pictures


def draw_grid(
    ax: Axes,
    pictures: Sequence[Sequence[np.ndarray | None]],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Axes:
    """Draw rows of pictures (H, W, 3) uint8 RGB of one size, labelled at the left and the top.

    `None` leaves a place empty. Labels are one a row and one a column, or none; names of methods
    are written as their titles.

    Raises:
        ShapeError: if sizes differ or labels do not fit.
    """
    shapes = {picture.shape for row in pictures for picture in row if picture is not None}
    columns = max((len(row) for row in pictures), default=0)
    if len(shapes) != 1 or any(len(shape) != 3 for shape in shapes):
        raise ShapeError(f"pictures of a grid must be (H, W, 3) of one size; got {sorted(shapes)}")
    if len(row_labels) not in (0, len(pictures)) or len(column_labels) not in (0, columns):
        raise ShapeError(
            f"a grid of {len(pictures)} rows and {columns} columns got {len(row_labels)} row and "
            f"{len(column_labels)} column labels"
        )
    height, width, _ = shapes.pop()
    step_y, step_x = height + GAP, width + GAP
    sheet = np.full((len(pictures) * step_y - GAP, columns * step_x - GAP, 3), 255, np.uint8)
    for i, row in enumerate(pictures):
        for j, picture in enumerate(row):
            if picture is not None:
                top, left = i * step_y, j * step_x
                sheet[top : top + height, left : left + width] = picture
    ax.imshow(sheet, extent=(0, sheet.shape[1], sheet.shape[0], 0), interpolation="antialiased")
    without_frame(ax)
    if row_labels:
        ax.set_yticks([i * step_y + height / 2 for i in range(len(pictures))], _titles(row_labels))
    if column_labels:
        ax.set_xticks([j * step_x + width / 2 for j in range(columns)], _titles(column_labels))
        ax.xaxis.tick_top()
    ax.tick_params(length=0)
    return ax


def _titles(labels: Sequence[str]) -> list[str]:
    return [title_of(label).replace(" + ", "\n+ ") for label in labels]


def draw_strip(
    ax: Axes, clips: Mapping[str, np.ndarray], *, frames: Sequence[int], fps: float | None = None
) -> Axes:
    """Draw clips (T, H, W, 3) uint8 RGB by label under each other at the same `frames`.

    Shorter clips leave places empty; with `fps`, seconds stand over the columns.
    """
    rows = [[clip[i] if i < len(clip) else None for i in frames] for clip in clips.values()]
    labels = [f"{i / fps:.2f} s" if fps else f"frame {i}" for i in frames]
    return draw_grid(ax, rows, row_labels=list(clips), column_labels=labels)


def draw_correlation(
    ax: Axes, face: np.ndarray, values: np.ndarray, place: tuple[int, int]
) -> Axes:
    """Draw the similarity (h, w) of one place to every place of `face`, and mark that place."""
    draw_map(ax, face, values)
    mark_place(ax, place, values.shape, face.shape)
    ax.set_xlabel(f"({place[0]}, {place[1]}): {values[place]:.2f}")
    return ax


def draw_weights(ax: Axes, face: np.ndarray, weights: np.ndarray) -> Axes:
    """Draw adaptive weights (h, w) in [1, 2) over a face; the scale covers what occurs."""
    top = float(np.nanmax(weights))
    return draw_map(ax, face, weights, limits=(1.0, max(top, 1.001)), colours=WEIGHT_COLOURS)


def draw_matrices(
    axes: Sequence[Axes],
    matrices: Mapping[str, np.ndarray | pd.DataFrame],
    *,
    rows: str,
    columns: str,
    shared: bool = True,
    path: np.ndarray | None = None,
    decimals: int | None = None,
) -> None:
    """Draw matrices (N, M) by title side by side, if `shared` on one colour scale.

    The label of the rows stands at the first only; `path` and `decimals` are as in `draw_matrix`.

    Raises:
        ShapeError: if there are fewer axes than matrices.
    """
    if len(axes) < len(matrices):
        raise ShapeError(f"{len(matrices)} matrices need as many axes, found {len(axes)}")
    every = np.concatenate([np.ravel(values) for values in matrices.values()])
    limits = (float(np.nanmin(every)), float(np.nanmax(every))) if shared else None
    for ax, (title, values) in zip(axes, matrices.items(), strict=False):
        names = {"rows": "" if ax is not axes[0] else rows, "columns": columns}
        draw_matrix(ax, values, **names, limits=limits, path=path, decimals=decimals)
        ax.set_title(title)
