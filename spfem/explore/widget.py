"""The explorer in a notebook: ipywidgets choose the clips, the module of the page shows them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from spfem.explore.explorer import CorrelationExplorer

MODULE = Path(__file__).with_name("js")
FILES = ("packets", "similarity", "view", "paint", "controls", "sound", "export", "explorer")
NOT_JOINED = re.compile(r"^(import .+;\n|export (?!default))", re.MULTILINE)
PAGE_BESIDE = "../explorer.html"  # of an executed notebook
WITHOUT_KERNEL = (
    f'<p><a href="{PAGE_BESIDE}">The explorer, alive and without a kernel: explorer.html</a></p>'
    f'<iframe src="{PAGE_BESIDE}" title="The explorer" style="width: 100%; height: 1150px; '
    'border: 1px solid #d0d7de"></iframe>'
)
TIPS = {
    "source": "where the clips come from",
    "actor": "who speaks",
    "sentence": "what is said",
    "first": "emotion of the first clip, on which a place is chosen",
    "second": "emotion of the clip that is compared with it",
}
NARROW, WIDE = ({"width": "auto", "flex": f"1 1 {width}px"} for width in (150, 180))


@cache
def module_text() -> str:
    """The module of page and notebook: its files in one, in the order of use; names are unique."""
    texts = ((MODULE / f"{name}.js").read_text("utf-8") for name in FILES)
    return "\n".join(NOT_JOINED.sub("", text) for text in texts)


@cache
def style_text() -> str:
    """How it looks, in light and dark."""
    return (MODULE / "explorer.css").read_text("utf-8")


class LiveView(anywidget.AnyWidget):
    """The module with a kernel behind it, which is asked for packets and for nothing else."""

    _esm = module_text()
    _css = style_text()
    choice = traitlets.List(traitlets.Unicode()).tag(sync=True)
    link = traitlets.Unicode().tag(sync=True)


class ExplorerWidget(ipywidgets.VBox):
    """Controls and live view of a `CorrelationExplorer`; `view` is what "Copy link" gave.

    Parts have the CSS classes `spfem-explorer-<name>`; `lists` are those of the choice's fields.
    """

    def __init__(self, explorer: CorrelationExplorer, view: str = "") -> None:
        self.explorer = explorer
        self.message = ipywidgets.HTML()
        self.live = LiveView(choice=list(explorer.choice), link=view)
        self.live.on_msg(self._answer)
        self.lists = {
            name: ipywidgets.Dropdown(description=name, tooltip=tip, layout=NARROW)
            for name, tip in TIPS.items()
        }
        # A field tells its text once, when it is left: letter by letter, a button pressed right
        # after the last one would overtake them.
        self.own = [
            ipywidgets.Text(
                description=f"own {name}", tooltip=f"path of your {name} clip, with sound",
                continuous_update=False, layout=WIDE,
            )
            for name in ("first", "second")
        ]  # fmt: skip
        self.load = ipywidgets.Button(description="load", tooltip="track, align and show both")
        self._refresh()
        for name, control in self.lists.items():
            control.observe(lambda change, name=name: self._on_list(name, change["new"]), "value")
        self.load.on_click(lambda _: self._load_own_clips())
        named = {**self.lists, "own-1": self.own[0], "own-2": self.own[1], "load": self.load}
        for name, part in {**named, "message": self.message}.items():
            part.add_class(f"spfem-explorer-{name}")
        rows = (list(self.lists.values()), [*self.own, self.load])
        boxes = [ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows]
        super().__init__([*boxes, self.message, self.live])

    def _answer(self, _: Any, message: dict[str, Any], __: Any) -> None:
        try:
            header, parts = self.explorer.packet(message["ask"]).to_wire()
            self.live.send({"id": message["id"], "header": header}, parts)
        except Exception as error:  # of any kind: a notebook would hide it in the browser's log
            self.live.send({"id": message["id"], "error": f"{type(error).__name__}: {error}"}, [])

    def _on_list(self, name: str, value: str | None) -> None:
        if not self._setting and value is not None:
            self._try(lambda: self.explorer.choose(**{name: value}))

    def _load_own_clips(self) -> None:
        paths = [Path(field.value.strip()).expanduser() for field in self.own]
        self.message.value = "tracking both faces, which takes about as long as the clips last …"
        self._try(lambda: self.explorer.load_own_clips(*paths))

    def _try(self, act: Callable[[], object]) -> None:
        """Choose clips and show them; a failure is told, and undone."""
        before, told = self.explorer.choice, ""
        try:
            act()
            self.live.choice = list(self.explorer.choice)
        except Exception as error:
            self.explorer.choice = before
            words = html.escape(f"{type(error).__name__}: {error}")
            told = f'<span style="color: #d55e00">{words}</span>'
        self.message.value = told
        self._refresh()

    def _refresh(self) -> None:
        """Set the lists to what can be chosen and what is."""
        self._setting = True
        for name, offered in self.explorer.options(self.explorer.choice).items():
            self.lists[name].options = offered
            self.lists[name].value = getattr(self.explorer.choice, name)
        self._setting = False

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Where no kernel runs, the page stands in: beside the executed notebook, by a link."""
        return {**super()._repr_mimebundle_(**kwargs), "text/html": WITHOUT_KERNEL}
