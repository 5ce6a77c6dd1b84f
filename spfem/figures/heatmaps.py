"""Maps over a face: correlation of one place with all others, and disparity weights."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from spfem.errors import ShapeError
from spfem.figures.style import MARK_COLOUR, SIMILARITY_COLOURS, WEIGHT_COLOURS, without_frame


def grey_picture(face: np.ndarray) -> np.ndarray:
    """Picture (H, W, 3) in [0, 1] of a face (H, W, 3) uint8, as ground for a coloured map."""
    return np.repeat(face.mean(axis=2, keepdims=True), 3, axis=2) / 255


def draw_face(ax: Axes, face: np.ndarray, *, grey: bool = False) -> Axes:
    """Draw a face (H, W, 3) uint8 RGB; grey when colours shall lie over it."""
    height, width = face.shape[:2]
    shown = grey_picture(face) if grey else face
    ax.imshow(shown, extent=(0, width, height, 0), interpolation="antialiased")
    ax.set(xlim=(0, width), ylim=(height, 0))
    return without_frame(ax)


def draw_map(
    ax: Axes,
    face: np.ndarray,
    values: np.ndarray,
    *,
    limits: tuple[float, float] = (-1.0, 1.0),
    colours: str = SIMILARITY_COLOURS,
    opacity: float = 0.7,
) -> Axes:
    """Draw a map, enlarged to the face, over the face in grey; the map is `ax.images[-1]`.

    Args:
        ax: empty axes.
        face: (H, W, 3) uint8 RGB.
        values: (h, w) over the whole face; places that are NaN show the face alone.
        limits: values of the ends of the colour scale.
        colours: name of a colour map.
        opacity: of the map.

    Raises:
        ShapeError: if the map is not (h, w).
    """
    if values.ndim != 2:
        raise ShapeError(f"a map must be (h, w); got {values.shape}")
    draw_face(ax, face, grey=True)
    height, width = face.shape[:2]
    ax.imshow(
        values,
        extent=(0, width, height, 0),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        alpha=opacity,
        interpolation="bilinear",
    )
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


def draw_correlation(
    ax: Axes,
    face: np.ndarray,
    values: np.ndarray,
    place: tuple[int, int] | None = None,
    *,
    limits: tuple[float, float] = (-1.0, 1.0),
) -> Axes:
    """Draw the similarity (h, w) of one place to every place of `face`, and mark that place."""
    draw_map(ax, face, values, limits=limits)
    if place is not None:
        mark_place(ax, place, values.shape, face.shape)
        ax.set_xlabel(f"({place[0]}, {place[1]}): {values[place]:.2f}")
    return ax


def draw_weights(ax: Axes, face: np.ndarray, weights: np.ndarray) -> Axes:
    """Draw adaptive weights (h, w) in [1, 2) over a face; the scale covers what occurs."""
    top = float(np.nanmax(weights))
    return draw_map(ax, face, weights, limits=(1.0, max(top, 1.001)), colours=WEIGHT_COLOURS)


def add_scale(ax: Axes, label: str) -> None:
    """Put the colour scale of the last map of `ax` beside it.

    Raises:
        ShapeError: if the axes belong to no figure.
    """
    figure = ax.get_figure()
    if figure is None:
        raise ShapeError("axes without a figure cannot have a colour scale")
    scale = figure.colorbar(ax.images[-1], ax=ax, fraction=0.046, pad=0.02)
    scale.solids.set_alpha(1.0)  # type: ignore[union-attr]
    scale.set_label(label)
