"""Where things stand in the explorer's picture, in inches from its upper left corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

WIDTH, HEIGHT = 8.8, 7.3
DPI = 90  # 792 pixels: the width of a notebook beside an open side bar


class Box(NamedTuple):
    """Left, top, width and height in inches."""

    left: float
    top: float
    width: float
    height: float


FACE_BOXES = tuple(Box(0.08 + 2.03 * number, 0.42, 1.93, 1.93) for number in range(4))
SCALE_BOX = Box(8.16, 0.42, 0.13, 1.93)
SCALE_TEXT_BOX = Box(8.3, 0.35, 0.5, 2.07)
MATRIX_BOX = Box(0.62, 2.82, 2.3, 1.9)
SOUND_MATRIX_BOX = Box(3.22, 2.82, 2.3, 1.9)
WIDE_CURVE_BOX = Box(3.85, 2.82, 4.8, 1.9)
NARROW_CURVE_BOX = Box(6.4, 2.82, 2.25, 1.9)
ENDS_STRIP = 0.55  # left of a curve, for the ends of its scale
WAVES_BOX = Box(0.62, 5.5, 8.03, 1.35)


@dataclass(frozen=True)
class Region:
    """A part of the picture that is drawn anew, alone, if one of its artists changed.

    Regions do not overlap, and nothing but what lies still is drawn outside of them.
    """

    box: Box
    artists: tuple[Artist, ...]


def move_line(line: Line2D, across: ArrayLike, down: ArrayLike) -> None:
    """Give a line its points, and leave it untouched if it has them already."""
    if not (np.array_equal(line.get_xdata(), across) and np.array_equal(line.get_ydata(), down)):
        line.set_data(across, down)


def cut(name: str, most: int = 14) -> str:
    """A name with at most `most` letters: those of own files may be longer than a title."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def above(box: Box) -> Box:
    """Where the title of axes at `box` stands."""
    return Box(box.left - 0.04, box.top - 0.4, box.width + 0.08, 0.39)


def fractions(box: Box) -> tuple[float, float, float, float]:
    """A box as matplotlib wants it: left, bottom, width and height as shares of the figure."""
    bottom = HEIGHT - box.top - box.height
    return box.left / WIDTH, bottom / HEIGHT, box.width / WIDTH, box.height / HEIGHT


def add_axes(figure: Figure, box: Box) -> Axes:
    """Add axes at a fixed box; no pointer messages are sent from them."""
    ax = figure.add_axes(fractions(box))
    ax.set_navigate(False)  # else every move of the pointer would send its coordinates
    return ax
