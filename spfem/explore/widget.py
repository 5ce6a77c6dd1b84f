"""The explorer in a notebook: controls by `observe`, a canvas that takes clicks, and words.

No `interact` and no `Output` widget: those can hang a notebook that runs without a browser.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from matplotlib.backend_bases import MouseEvent

from spfem.explore.canvas import ExplorerCanvas
from spfem.explore.controls import Controls
from spfem.explore.forms import ExportForm, OwnClipsForm
from spfem.explore.picture import ExplorerPicture

if TYPE_CHECKING:
    from spfem.explore.explorer import CorrelationExplorer

# ipympl's canvas takes the focus and keeps every key, so that Tab would lead in and not out again.
# What is hidden takes no focus; the pictures in it stay to be seen and clicked.
NO_KEYBOARD_TRAP = """<style>
.spfem-explorer-picture .jupyter-matplotlib-canvas-div { visibility: hidden }
.spfem-explorer-picture .jupyter-matplotlib-canvas-div canvas { visibility: visible }
</style>"""

SLOW = ("source", "actor", "sentence", "first_emotion", "second_emotion", "metric")


class ExplorerWidget(ipywidgets.VBox):
    """Controls and picture of a `CorrelationExplorer`; made by `CorrelationExplorer.widget`.

    A click on a face chooses a place, a click on a matrix the frame of its row. Every control
    can be reached and moved by keys (Space opens a list). Parts have the CSS classes
    `spfem-explorer-<name>`.

    Args:
        explorer: shown, and changed by the controls.
        exports: folder of exported views, unless the reader names another one.

    Attributes:
        explorer: the one shown.
        controls: widgets of the selection's fields.
        canvas: the picture.
        text: the view in words and numbers.
        message: what went wrong, or what is being done.
    """

    def __init__(self, explorer: CorrelationExplorer, *, exports: str = "figures/explorer") -> None:
        self.explorer = explorer
        self.controls = Controls()
        self.text, self.message = ipywidgets.HTML(), ipywidgets.HTML()
        self.canvas = ExplorerCanvas(ExplorerPicture(explorer.view()))
        self.exports, self.own_clips = ExportForm(exports), OwnClipsForm()
        for name, part in (
            ("picture", self.canvas),
            ("text", self.text),
            ("message", self.message),
        ):
            part.add_class(f"spfem-explorer-{name}")
        self.message.layout.min_height = "1.6em"  # so that nothing jumps when words come and go
        super().__init__(
            [
                *self.controls.rows(),
                self.message,
                self.canvas,
                self.text,
                self.exports,
                self.own_clips,
                ipywidgets.HTML(NO_KEYBOARD_TRAP, layout={"display": "none"}),
            ],
            layout={"max_width": "900px", "overflow": "auto"},  # scrolls where it is too narrow
        )
        self.add_class("spfem-explorer")
        self._bringing_up = False
        self._show_selection()
        for name, control in self.controls.widgets.items():
            control.observe(lambda change, name=name: self._on_control(name, change), "value")
        self.controls.as_probability.observe(
            lambda change: self._on_control("temperature", change), "value"
        )
        self.canvas.mpl_connect("button_press_event", self._on_click)
        self.exports.button.on_click(lambda _: self._export())
        self.own_clips.button.on_click(lambda _: self._load_own_clips())

    def choose(self, **changes: Any) -> bool:
        """Change fields of the selection and show what follows.

        Returns:
            Whether that was possible; if not, `message` says why and all is as before.
        """
        if any(name in SLOW for name in changes):
            self._say("computing …")
        return self._try(lambda: self.explorer.choose(**changes))

    def on_patch(self, row: int, column: int) -> None:
        """Choose a place, as a click on a face does."""
        self.choose(row=row, column=column)

    def _on_control(self, name: str, change: dict[str, Any]) -> None:
        if self._bringing_up:
            return
        value = change["new"]
        if name == "temperature":
            slider = self.controls.widgets["temperature"]
            value = slider.value if self.controls.as_probability.value else None
        self.choose(**{name: value})

    def _on_click(self, event: MouseEvent) -> None:
        picture, view = self.canvas.picture, self.canvas.picture.view
        if event.inaxes is None or event.xdata is None or event.ydata is None or view is None:
            return
        if event.inaxes in picture.faces.axes.values() and view.has_places:
            self.on_patch(*self.explorer.place_under(event.xdata, event.ydata))
        elif event.inaxes in [matrix.ax for matrix in picture.moments.matrices]:
            self.choose(frame=round(event.ydata))

    def _export(self) -> None:
        folder = Path(self.exports.folder.value).expanduser()
        self._say("writing …")
        self._try(lambda: self.exports.list_files(self.explorer.export(folder)))

    def _load_own_clips(self) -> None:
        paths = [Path(field.value.strip()).expanduser() for field in self.own_clips.fields]
        self._say("tracking the faces of both clips, which takes about as long as they last …")
        self._try(lambda: self.explorer.load_own_clips(*paths))

    def _try(self, act: Callable[[], object]) -> bool:
        """Do something and show what follows; a failure is told, and undone."""
        before = self.explorer.selection
        try:
            act()
            self._show_selection()
        # Of any kind: a notebook would hide it in the browser's log.
        except Exception as error:
            self.explorer.selection = before
            self._bring_up_controls()
            self._say(f"{type(error).__name__}: {error}", wrong=True)
            return False
        self._say("")
        return True

    def _show_selection(self) -> None:
        view = self.explorer.view()
        self._bring_up_controls()
        self.canvas.show_view(view)
        self.text.value = html.escape(view.text).replace("\n", "<br>")

    def _bring_up_controls(self) -> None:
        self._bringing_up = True
        try:
            self.controls.bring_up(self.explorer)
        finally:
            self._bringing_up = False

    def _say(self, words: str, *, wrong: bool = False) -> None:
        shown = html.escape(words)
        self.message.value = f'<span style="color: #b00020">{shown}</span>' if wrong else shown

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Without a browser's widgets the output says what is missing, not a list of objects."""
        data: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        data["text/plain"] = "The explorer needs a running kernel; the same view as a picture: "
        data["text/plain"] += "explorer.static_figure()"
        return data
