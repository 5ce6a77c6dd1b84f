"""The middle row of the explorer's picture: the chosen place at all pairs of moments."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spfem.explore.layout import (
    ENDS_STRIP,
    MATRIX_BOX,
    NARROW_CURVE_BOX,
    SOUND_MATRIX_BOX,
    WIDE_CURVE_BOX,
    Box,
    Region,
    above,
    add_axes,
    cut,
    move_line,
)
from spfem.explore.pixels import Pixels, colour_values
from spfem.explore.quick_text import quick_title, quick_words
from spfem.explore.view import View
from spfem.figures.matrices import MATRIX_COLOURS
from spfem.figures.style import LOOKS, MARK_COLOUR

MATCHED, MISMATCHED = ("o", LOOKS[2].colour), ("s", "#d55e00")  # marker and colour


class MomentPanels:
    """A matrix (T, U), a second one of sound where there is one, and the chosen frame's row.

    Attributes:
        matrices: of the place or of expressions, then of sound; data are frames: x of the second
            clip, y of the first.
        curves: the chosen frame's row of the matrix, wide, or narrow beside two matrices.
        regions: what changes with the view.
    """

    def __init__(self, figure: Figure) -> None:
        self.matrices = tuple(Matrix(figure, box) for box in (MATRIX_BOX, SOUND_MATRIX_BOX))
        self.curves = tuple(Curve(figure, box) for box in (WIDE_CURVE_BOX, NARROW_CURVE_BOX))
        self.regions: list[Region] = []

    def lay_out(self, view: View) -> None:
        """Set what only another pair or kind of metric changes: sizes and labels."""
        sounds = view.moments_of_sound is not None
        shown: list[tuple[Matrix | Curve, bool]] = [
            (self.matrices[0], True),
            (self.matrices[1], sounds),
            (self.curves[0], not sounds),
            (self.curves[1], sounds),
        ]
        for panel, visible in shown:
            panel.ax.set_visible(visible)
            panel.lay_out(view)
        self.matrices[0].ax.set_ylabel(
            f"frame of the {cut(view.pair.first.emotion)} clip", labelpad=2
        )
        self.matrices[1].ax.set_yticks([])
        self.regions = [region for panel, visible in shown if visible for region in panel.regions]

    def show(self, view: View) -> None:
        """Bring matrices, curve and marks up to a view."""
        name = "place over time" if view.has_places else "expression"
        self.matrices[0].show(view, view.moments, name)
        if view.moments_of_sound is not None:
            self.matrices[1].show(view, view.moments_of_sound, "sound")
        self.curves[view.moments_of_sound is not None].show(view)


class Matrix:
    """A matrix (T, U) of moments, the warping path, and the chosen moments."""

    def __init__(self, figure: Figure, box: Box) -> None:
        self.ax = add_axes(figure, box)
        self._pixels = Pixels(self.ax, smooth=False)
        looks = (("black", 2.6), (MARK_COLOUR, 1.2))
        self._paths = [_line(self.ax, color=colour, linewidth=width) for colour, width in looks]
        self._rows = [
            _line(self.ax, color=colour, linewidth=0.6 * width) for colour, width in looks
        ]
        self._dots = _two_dots(self.ax)
        artists = (self._pixels, *self._paths, *self._rows, *self._dots)
        self.regions = (Region(box, artists), Region(above(box), (quick_title(self.ax, " "),)))
        self._values: np.ndarray | None = None

    def lay_out(self, view: View) -> None:
        """Set sizes, label and path of a pair."""
        height, width = view.moments.shape
        self.ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        self.ax.set_xlabel(f"frame of the {cut(view.pair.second.emotion)} clip", labelpad=1)
        for line in self._paths:
            move_line(line, view.pair.path[:, 1], view.pair.path[:, 0])

    def show(self, view: View, values: np.ndarray, name: str) -> None:
        """Colour the values (T, U) and mark the chosen moments."""
        if values is not self._values:
            low, high = ends_of(values)
            coloured = colour_values(values, (low, high), MATRIX_COLOURS)
            self._pixels.set_picture(np.ascontiguousarray(coloured[..., :3]))
            self.ax.title.set_text(f"{name}: {low:.2f} (dark) to {high:.2f}")
            self._values = values
        frame = view.selection.frame
        for line in self._rows:
            move_line(line, [-0.5, values.shape[1] - 0.5], [frame, frame])
        for dot, column in zip(
            self._dots, (view.matched_frame, view.mismatched_frame), strict=True
        ):
            move_line(dot, [column], [frame])


class Curve:
    """The chosen frame against every frame of the second clip, on the matrix's scale."""

    def __init__(self, figure: Figure, box: Box) -> None:
        self.ax = add_axes(figure, box)
        self.ax.set(ylim=(-0.04, 1.04), yticks=[])
        self._lines = [
            _line(self.ax, color=look.colour, linestyle=style)
            for look, style in zip(LOOKS, ("-", "--"), strict=False)
        ]
        self._dots = _two_dots(self.ax)
        self._ends = tuple(
            quick_words(self.ax, -0.06 / box.width, share, "right", "center")
            for share in (0.04, 0.96)
        )
        strip = Box(box.left - ENDS_STRIP, box.top, ENDS_STRIP - 0.04, box.height)
        self.regions = (
            Region(box, (*self._lines, *self._dots)),
            Region(strip, self._ends),
            Region(above(box), (quick_title(self.ax, " "),)),
        )

    def lay_out(self, view: View) -> None:
        """Set size and label of a pair."""
        self.ax.set_xlim(-0.5, view.moments.shape[1] - 0.5)
        self.ax.set_xlabel(f"frame of the {cut(view.pair.second.emotion)} clip", labelpad=1)

    def show(self, view: View) -> None:
        """Draw the chosen frame's row and mark the two moments."""
        frame, values = view.selection.frame, view.moments
        for line, matrix in zip(self._lines, (values, view.moments_of_sound), strict=True):
            if matrix is not None:
                move_line(line, np.arange(matrix.shape[1]), _shares(matrix, frame))
        shares = _shares(values, frame)
        for dot, column in zip(
            self._dots, (view.matched_frame, view.mismatched_frame), strict=True
        ):
            move_line(dot, [column], [shares[column]])
        for text, end in zip(self._ends, ends_of(values), strict=True):
            text.set_text(f"{end:.2f}")
        if view.moments_of_sound is not None:
            title = f"frame {frame}: expression, sound - -"
        else:
            same, other = (values[frame, n] for n in (view.matched_frame, view.mismatched_frame))
            title = (
                f"frame {frame} against all: same moment (circle) {same:.2f}, "
                f"other (square) {other:.2f}"
            )
        self.ax.title.set_text(title)


def ends_of(values: np.ndarray) -> tuple[float, float]:
    """Least and largest value of a matrix (T, U), apart even if all values are one."""
    if not np.isfinite(values).any():
        return 0.0, 1.0
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low, high if high > low else low + 1.0


def _shares(values: np.ndarray, frame: int) -> np.ndarray:
    low, high = ends_of(values)
    return (values[frame] - low) / (high - low)


def _line(ax: Axes, **looks: Any) -> Line2D:
    (line,) = ax.plot([], [], **looks)
    return line


def _two_dots(ax: Axes) -> list[Line2D]:
    return [
        _line(
            ax,
            marker=marker,
            markersize=8,
            markeredgecolor="white",
            markeredgewidth=1.2,
            color=colour,
            linestyle="none",
        )
        for marker, colour in (MATCHED, MISMATCHED)
    ]
