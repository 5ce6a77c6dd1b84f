"""The upper row of the explorer's picture: faces with the chosen place and its maps."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from spfem.explore.layout import FACE_BOXES, SCALE_BOX, SCALE_TEXT_BOX, Region, above, add_axes, cut
from spfem.explore.pixels import OPACITY, Pixels, colour_values
from spfem.explore.quick_text import quick_title, quick_words
from spfem.explore.view import View
from spfem.figures.style import MARK_COLOUR, SIMILARITY_COLOURS, WEIGHT_COLOURS, without_frame

PANELS = ("chosen", "within", "matched", "mismatched")


def grey(face: np.ndarray) -> np.ndarray:
    """A face (S, S, 3) uint8 without colours, in the same shape."""
    return cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


class FacePanels:
    """Four faces of one size, maps with one colour scale, and that scale.

    Attributes:
        axes: of the panels, by name in `PANELS`; data are pixels of the face.
        regions: what changes with the view.
    """

    def __init__(self, figure: Figure) -> None:
        self.axes: dict[str, Axes] = {}
        self.pixels: dict[str, Pixels] = {}
        self._marks: list[Rectangle] = []
        self.regions: list[Region] = []
        self._notes: dict[str, Text] = {}
        for name, box in zip(PANELS, FACE_BOXES, strict=True):
            ax = without_frame(add_axes(figure, box))
            self.axes[name], self.pixels[name] = ax, Pixels(ax, smooth=True)
            marks = [
                Rectangle((0, 0), 1, 1, fill=False, edgecolor=colour, linewidth=width)
                for colour, width in (("black", 3.0), (MARK_COLOUR, 1.4))
            ]
            for mark in marks:
                ax.add_patch(mark)
            self._marks += marks
            words = ax.text(
                0.5, 0.5, "", transform=ax.transAxes, ha="center", va="center", color="#333333"
            )
            self._notes[name] = words
            self.regions.append(Region(box, (self.pixels[name], *marks, words)))
            self.regions.append(Region(above(box), (quick_title(ax, " \n "),)))
        self.scale = scale = without_frame(add_axes(figure, SCALE_BOX))
        gradient = Pixels(scale, smooth=True)
        shades = np.linspace(1, 0, 256)[:, None]
        gradient.set_picture(colour_values(shades, (0, 1), SIMILARITY_COLOURS)[..., :3].copy())
        self._ends = [
            quick_words(scale, 1.25, share, "left", va) for share, va in ((0, "bottom"), (1, "top"))
        ]
        self._quantity = scale.text(
            1.5, 0.5, "", transform=scale.transAxes, ha="left", va="center", rotation=90
        )
        self.regions.append(Region(SCALE_TEXT_BOX, (*self._ends, self._quantity)))

    def lay_out(self, view: View) -> None:
        """Set what only another pair or kind of metric changes."""
        for ax, clip in zip(
            self.axes.values(), [view.pair.first] * 2 + [view.pair.second] * 2, strict=True
        ):
            side = clip.faces.shape[1]
            ax.set(xlim=(0, side), ylim=(side, 0))
        self.scale.set_visible(view.has_places)
        self._notes["within"].set_text("" if view.has_places else "this metric\nhas no places")
        for mark in self._marks:
            mark.set_visible(view.has_places)

    def show(self, view: View) -> None:
        """Bring faces, maps, marks and titles up to a view."""
        first, second = view.pair.first, view.pair.second
        face = first.faces[view.selection.frame]
        faces = (
            face,
            face,
            second.faces[view.matched_frame],
            second.faces[view.mismatched_frame],
        )
        maps = (None, view.within, view.matched, view.mismatched)
        for name, picture, values in zip(PANELS, faces, maps, strict=True):
            if values is None:
                self.pixels[name].set_picture(picture)
            else:
                over = colour_values(values, view.limits, SIMILARITY_COLOURS, OPACITY)
                self.pixels[name].set_picture(grey(picture), over)
        if view.weights is not None:
            top = max(float(np.nanmax(view.weights)), 1.001)
            over = colour_values(view.weights, (1.0, top), WEIGHT_COLOURS, OPACITY)
            self.pixels["chosen"].set_picture(grey(face), over)
        if not view.has_places:
            self.pixels["within"].set_picture(np.full((1, 1, 3), 240, np.uint8))
        self._place_marks(view, len(face))
        self._write(view)

    def _place_marks(self, view: View, side: int) -> None:
        if view.within is not None:
            rows, columns = view.within.shape
            height, width = side / rows, side / columns
            place = view.selection
            bounds = (place.column * width, place.row * height, width, height)
            for mark in self._marks:
                if (*mark.get_xy(), mark.get_width(), mark.get_height()) != bounds:
                    mark.set_bounds(*bounds)

    def _write(self, view: View) -> None:
        chosen, (first, second) = view.selection, (view.pair.first, view.pair.second)
        seconds = chosen.frame / first.fps
        under = "click a place" if view.has_places else f"{seconds:.2f} s"
        if view.weights is not None:
            under = f"disparity weights 1 to {np.nanmax(view.weights):.2f}"
        titles = [
            f"{cut(first.emotion)}, frame {chosen.frame}\n{under}",
            "within this face\nplace to all places" if view.has_places else "",
        ]
        for kind, frame, values in (
            ("same", view.matched_frame, view.matched),
            ("other", view.mismatched_frame, view.mismatched),
        ):
            found = f", {place_value(view, values)}" if values is not None else ""
            titles.append(f"{cut(second.emotion)}, frame {frame}\n{kind} moment{found}")
        for name, title in zip(PANELS, titles, strict=True):
            self.axes[name].title.set_text(title)
        for end, limit in zip(self._ends, view.limits, strict=True):
            end.set_text(short(limit) if view.has_places else "")
        self._quantity.set_text(view.quantity if view.has_places else "")


def place_value(view: View, values: np.ndarray) -> str:
    """Value of a map (H, W) at the chosen place, in a few characters."""
    value = float(values[view.selection.row, view.selection.column])
    return short(value) if np.isfinite(value) else "blanked"


def short(value: float) -> str:
    """A number for a title: two digits behind the point, more only for small probabilities."""
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
