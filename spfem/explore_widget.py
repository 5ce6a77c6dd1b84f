"""The notebook face of `spfem.explore`: controls by `observe`, one picture that is redrawn.

No `interact`, no `Output` widget: those can hang a notebook that runs without a browser.
"""

from __future__ import annotations

import io
from typing import Any

import ipywidgets
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from spfem.explore import CorrelationExplorer
from spfem.figures.heatmaps import add_scale, draw_correlation, draw_face, grey_picture, mark_place
from spfem.figures.style import WIDTH, apply_style

IPYMPL_NAMES = ("widget", "ipympl", "module://ipympl.backend_nbagg")
SIZE = (WIDTH, 3.4)  # inches


def _make_figure() -> tuple[Figure, bool]:
    """A figure with a canvas that takes clicks where ipympl draws, else one without."""
    apply_style()
    if mpl.get_backend() in IPYMPL_NAMES:
        import matplotlib.pyplot as plt

        with plt.ioff():  # else the figure would be shown twice
            return plt.figure(figsize=SIZE, layout="constrained"), True
    return Figure(figsize=SIZE, layout="constrained"), False


class ExplorerWidget(ipywidgets.VBox):
    """Controls and picture of a `CorrelationExplorer`; made by `CorrelationExplorer.widget`."""

    def __init__(self, explorer: CorrelationExplorer) -> None:
        self.explorer = explorer
        self._redrawing = False
        self.figure, self.takes_clicks = _make_figure()
        self._draw_first()
        self.pair = ipywidgets.Dropdown(
            options=[(pair.title, index) for index, pair in enumerate(explorer.pairs)],
            value=explorer.selection.pair,
            description="faces",
            tooltip="which two faces are compared",
        )
        self.level = ipywidgets.Dropdown(
            options=list(range(explorer.level_count)),
            value=explorer.selection.level,
            description="level",
            tooltip="level of the metric: 0 is the finest map",
        )
        self.kind = ipywidgets.Dropdown(
            options=["learned", "raw"],
            value=explorer.selection.kind,
            description="descriptor",
            tooltip="learned passes through the heads, raw does not",
        )
        height, width = explorer.map_shape
        self.row = ipywidgets.IntSlider(min=1, max=height - 2, description="row")
        self.column = ipywidgets.IntSlider(min=1, max=width - 2, description="column")
        self.text = ipywidgets.Label()
        self.picture: Any = self.figure.canvas if self.takes_clicks else ipywidgets.Image()
        super().__init__(
            [
                ipywidgets.HBox([self.pair, self.level, self.kind]),
                ipywidgets.HBox([self.row, self.column]),
                self.picture,
                self.text,
            ]
        )
        for name in ("pair", "level", "kind", "row", "column"):
            getattr(self, name).observe(self._on_control, names="value")
        if self.takes_clicks:
            self.figure.canvas.mpl_connect("button_press_event", self._on_click)
        self.redraw()

    def _draw_first(self) -> None:
        explorer = self.explorer
        pair, values = explorer.pairs[explorer.selection.pair], explorer.similarity()
        place = (explorer.selection.row, explorer.selection.column)
        self.left, self.right = self.figure.subplots(1, 2)
        draw_face(self.left, pair.first)
        draw_correlation(self.right, pair.second, values)
        add_scale(self.right, "similarity")
        self.marks = [
            *mark_place(self.left, place, values.shape, pair.first.shape),
            *mark_place(self.right, place, values.shape, pair.second.shape),
        ]

    def _on_control(self, _: Any) -> None:
        if not self._redrawing:
            # A new level keeps the place on the face, which has another row and column there.
            same_level = self.level.value == self.explorer.selection.level
            self.explorer.choose(
                pair=self.pair.value,
                level=self.level.value,
                kind=self.kind.value,
                row=self.row.value if same_level else None,
                column=self.column.value if same_level else None,
            )
            self.redraw()

    def _on_click(self, event: Any) -> None:
        if event.inaxes in (self.left, self.right):
            self.on_patch(*self.explorer.place_under(event.xdata, event.ydata))

    def on_patch(self, row: int, column: int) -> np.ndarray:
        """Choose a place as a click does; return its similarity map (H, W)."""
        values = self.explorer.on_patch(row, column)
        self.redraw()
        return values

    def redraw(self) -> None:
        """Bring controls, picture and text up to the explorer's selection."""
        self._redrawing = True
        try:
            self._set_controls()
        finally:
            self._redrawing = False
        chosen, values = self.explorer.selection, self.explorer.similarity()
        pair = self.explorer.pairs[chosen.pair]
        side, (rows, columns) = pair.first.shape[0], values.shape
        self.left.images[0].set_data(pair.first)
        self.right.images[0].set_data(grey_picture(pair.second))
        self.right.images[-1].set_data(values)
        for mark in self.marks:
            mark.set_bounds(
                chosen.column * side / columns,
                chosen.row * side / rows,
                side / columns,
                side / rows,
            )
        self.left.set_title(f"{pair.labels[0]}: row {chosen.row}, column {chosen.column}")
        self.right.set_title(f"{pair.labels[1]}: {values[chosen.row, chosen.column]:.2f}")
        self.text.value = self.explorer.summary()
        if self.takes_clicks:
            self.figure.canvas.draw_idle()
        else:
            drawn = io.BytesIO()
            self.figure.savefig(drawn, format="png")
            self.picture.value = drawn.getvalue()

    def _set_controls(self) -> None:
        chosen = self.explorer.selection
        height, width = self.explorer.map_shape
        self.pair.value, self.level.value, self.kind.value = chosen.pair, chosen.level, chosen.kind
        for slider, side, value in (
            (self.row, height, chosen.row),
            (self.column, width, chosen.column),
        ):
            slider.max = side - 2
            slider.value = value
