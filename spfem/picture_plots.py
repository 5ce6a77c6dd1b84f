"""Pictures on axes: a face, a map over it, a matrix of moments, and one place in all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spfem.errors import ShapeError
from spfem.plots import (
    LOOKS,
    MARK_COLOUR,
    MATRIX_COLOURS,
    SIMILARITY_COLOURS,
    WIDTH,
    apply_style,
    without_frame,
)

TICK_STEPS, MOST_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500), 9  # of a matrix
HEIGHT = 4.3  # inches
PANELS = ("within this face", "same moment", "other moment")


def draw_face(ax: Axes, face: np.ndarray, *, grey: bool = False) -> Axes:
    """Draw a face (H, W, 3) uint8 RGB; grey when colours shall lie over it."""
    height, width = face.shape[:2]
    shown = face.mean(axis=2) if grey else face
    box = (0, width, height, 0)
    ax.imshow(shown, "gray", vmin=0, vmax=255, extent=box, interpolation="antialiased")
    ax.set(xlim=(0, width), ylim=(height, 0))
    return without_frame(ax)


def draw_map(
    ax: Axes,
    face: np.ndarray,
    values: np.ndarray,
    *,
    limits: tuple[float, float] = (-1.0, 1.0),
    colours: str = SIMILARITY_COLOURS,
) -> Axes:
    """Draw a map, enlarged to the face, over the face in grey; the map is `ax.images[-1]`.

    `values` (h, w) cover the face (H, W, 3) uint8 RGB; where they are NaN it shows alone. `limits`
    are the values at the ends of the colour map `colours`.

    Raises:
        ShapeError: if the map is not (h, w).
    """
    if values.ndim != 2:
        raise ShapeError(f"a map must be (h, w); got {values.shape}")
    draw_face(ax, face, grey=True)
    box = (0, face.shape[1], face.shape[0], 0)
    scale = Normalize(*limits)
    ax.imshow(values, colours, scale, extent=box, alpha=0.7, interpolation="bilinear")
    return ax


def mark_place(
    ax: Axes, place: tuple[int, int], map_shape: tuple[int, int], face_shape: tuple[int, ...]
) -> list[Rectangle]:
    """Frame the cell (row, column) of a map of `map_shape` on a face of `face_shape`.

    Returns:
        A dark and a bright frame, so that one of them is seen on any ground.
    """
    height, width = face_shape[0] / map_shape[0], face_shape[1] / map_shape[1]
    corner = (place[1] * width, place[0] * height)
    frames = [
        Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=line_width)
        for colour, line_width in (("black", 3.0), (MARK_COLOUR, 1.4))
    ]
    for frame in frames:
        ax.add_patch(frame)
    return frames


def add_scale(ax: Axes, label: str) -> None:
    """Put the colour scale of the matrix, else of the last map of `ax` beside it."""
    drawn = ax.collections[0] if ax.collections else ax.images[-1]
    scale = ax.figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.02)
    scale.outline.set_visible(False)
    if scale.solids is not None:
        scale.solids.set_alpha(1.0)
    scale.set_label(label)


def draw_matrix(
    ax: Axes,
    values: np.ndarray | pd.DataFrame,
    *,
    rows: str,
    columns: str,
    limits: tuple[float, float] | None = None,
    path: np.ndarray | None = None,
    decimals: int | None = None,
) -> Axes:
    """Draw a matrix (N, M), row 0 at the top; it is `ax.collections[0]`, for a colour scale.

    Names of a table are written at its rows and columns; `rows` and `columns` say what they are.
    `limits` are the values at the ends of the colour scale, by default those of the matrix; the
    entries of `path` (L, 2), (row, column), are marked; with `decimals` numbers are written.

    Raises:
        ShapeError: if `values` is no matrix or the path leaves it.
    """
    if values.ndim != 2 or not values.size:
        raise ShapeError(f"a matrix must be (N, M), found {values.shape}")
    named = isinstance(values, pd.DataFrame)
    every = [
        next((step for step in TICK_STEPS if named or length <= MOST_TICKS * step), 1000)
        for length in values.shape
    ]
    low, high = limits if limits is not None else (None, None)
    sns.heatmap(
        values, vmin=low, vmax=high, cmap=MATRIX_COLOURS, cbar=False, ax=ax, rasterized=True,
        yticklabels=every[0], xticklabels=every[1], annot=decimals is not None,
        fmt=f".{decimals or 0}f", annot_kws={"size": 7},
    )  # fmt: skip
    ax.set(xlabel=columns, ylabel=rows)
    ax.tick_params(rotation=0)
    if path is not None:
        if (path < 0).any() or (path >= values.shape).any():
            raise ShapeError(f"the marked path leaves the matrix of {values.shape}")
        for colour, width in (("black", 2.6), (MARK_COLOUR, 1.2)):
            ax.plot(path[:, 1] + 0.5, path[:, 0] + 0.5, color=colour, linewidth=width)
    return ax


def draw_place_view(
    faces: Sequence[np.ndarray],
    maps: Sequence[np.ndarray],
    place: tuple[int, int],
    moments: np.ndarray,
    frames: tuple[int, int, int],
    path: np.ndarray,
    emotions: tuple[str, str],
    title: str,
) -> Figure:
    """Draw a place in the chosen frame, in one that says the same and in another, and over time.

    `faces` (S, S, 3) and `maps` (H, W) of their similarity belong to `frames`; `moments` (T, U) is
    the place at every frame of one clip against every frame of the other; `path` (N, 2) are frames
    that say the same; `title` names the metric.
    """
    apply_style()
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplot_mosaic([["chosen", *PANELS], [*["time"] * 2, *["row"] * 2]])
    draw_face(axes["chosen"], faces[0])
    axes["chosen"].set_title(f"{emotions[0]}, frame {frames[0]}\nchosen place")
    for number, (name, face, values) in enumerate(zip(PANELS, faces, maps, strict=True)):
        draw_map(axes[name], face, values)
        axes[name].set_title(f"{emotions[number > 0]}, frame {frames[number]}\n{name}")
        axes[name].set_xlabel(f"{values[place]:.2f} at the place")
    for name in ("chosen", *PANELS):
        mark_place(axes[name], place, maps[0].shape, faces[0].shape)
    add_scale(axes[PANELS[-1]], "similarity")
    labels = [f"frame, {emotion}" for emotion in emotions]
    draw_matrix(axes["time"], moments, rows=labels[0], columns=labels[1], path=path)
    axes["time"].set_title(f"{title}: the place over time")
    row = moments[frames[0]]
    axes["row"].plot(row, color="black")
    for frame, look, name in zip(frames[1:], LOOKS[:2], PANELS[1:], strict=True):
        axes["row"].plot(frame, row[frame], look.marker, color=look.colour, label=name)
    axes["row"].set(xlabel=labels[1], ylabel="similarity", title=f"frame {frames[0]} against all")
    axes["row"].legend()
    return figure
