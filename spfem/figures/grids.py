"""Faces side by side: contact sheets, strips of methods over time, mesh and landmark overlays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from spfem.errors import ShapeError
from spfem.figures.style import title_of, without_frame

GAP = 2  # pixels between pictures


def draw_grid(
    ax: Axes,
    pictures: Sequence[Sequence[np.ndarray | None]],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Axes:
    """Draw rows of pictures of one size, labelled at the left and the top.

    Args:
        ax: empty axes.
        pictures: rows of (H, W, 3) uint8 RGB; `None` leaves a place empty.
        row_labels: one a row, or none; names of methods are written as their titles.
        column_labels: one a column, or none, written likewise.

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
    """Draw clips under each other at the same moments: source, reference, methods, truth.

    Args:
        ax: empty axes.
        clips: label -> (T, H, W, 3) uint8 RGB; shorter clips leave places empty.
        frames: indices of the frames shown.
        fps: writes seconds over the columns instead of frame numbers.
    """
    rows = [[clip[i] if i < len(clip) else None for i in frames] for clip in clips.values()]
    labels = [f"{i / fps:.2f} s" if fps else f"frame {i}" for i in frames]
    return draw_grid(ax, rows, row_labels=list(clips), column_labels=labels)


def draw_mesh(
    ax: Axes,
    frame: np.ndarray,
    points: np.ndarray,
    triangles: np.ndarray | None = None,
    *,
    colour: str = "#00e5c0",
) -> Axes:
    """Draw a mesh, or dots where no triangles are given, over a frame.

    Args:
        ax: empty axes.
        frame: (H, W, 3) uint8 RGB.
        points: (V, 2 or more) pixels; a pixel's centre lies at half numbers.
        triangles: (F, 3) indices.
        colour: of lines and dots.
    """
    height, width = frame.shape[:2]
    ax.imshow(frame, extent=(0, width, height, 0), interpolation="antialiased")
    if triangles is None:
        ax.plot(points[:, 0], points[:, 1], ".", color=colour, markersize=2.5, markeredgewidth=0)
    else:
        ax.triplot(points[:, 0], points[:, 1], triangles, color=colour, linewidth=0.25, alpha=0.7)
    ax.set(xlim=(0, width), ylim=(height, 0))
    return without_frame(ax)
