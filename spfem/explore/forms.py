"""The two small forms below the explorer's picture: writing files, and loading own clips."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import ipywidgets

# A field tells its text once, when it is left: letter by letter, a button pressed right after the
# last one would overtake them.
WHOLE = {"continuous_update": False}


class ExportForm(ipywidgets.VBox):
    """A folder, a button that writes the view into it, and the paths written."""

    def __init__(self, folder: str) -> None:
        self.folder = ipywidgets.Text(
            value=folder, description="folder", tooltip="where exported views are written", **WHOLE
        )
        self.button = ipywidgets.Button(
            description="export view",
            tooltip="write this view as PNG, PDF and JSON, with its settings",
        )
        self.written = ipywidgets.HTML()
        self.folder.add_class("spfem-explorer-folder")
        self.button.add_class("spfem-explorer-export")
        self.written.add_class("spfem-explorer-written")
        super().__init__([ipywidgets.HBox([self.folder, self.button]), self.written])

    def list_files(self, paths: Sequence[Path]) -> None:
        """Say which files were written."""
        self.written.value = "<br>".join(html.escape(str(path)) for path in paths)


class OwnClipsForm(ipywidgets.HBox):
    """Two paths of video files of the same words, and a button that loads them."""

    def __init__(self) -> None:
        self.fields = tuple(
            ipywidgets.Text(description=f"own {name}", tooltip=tip, placeholder="clip.mp4", **WHOLE)
            for name, tip in (
                ("first", "path of your own clip, on which a place is chosen"),
                ("second", "path of a clip of the same words in another emotion"),
            )
        )
        self.button = ipywidgets.Button(
            description="load", tooltip="track, align and show your own two clips"
        )
        for number, field in enumerate(self.fields, start=1):
            field.add_class(f"spfem-explorer-own-{number}")
        self.button.add_class("spfem-explorer-load")
        super().__init__([*self.fields, self.button])
