"""What a folder of results holds, by notebook: figures, tables and videos."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from spfem.manifest import read_manifest
from spfem.report.links import linkable

ORDER = (".png", ".gif", ".mp4", ".pdf", ".csv", ".tex", ".md", ".html", ".ipynb")
HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Item:
    """One figure, table or video.

    Attributes:
        name: path without suffix, such as `tables/similarity`.
        kind: `figure`, `table`, `video` or `file`.
        files: path relative to the folder of results by suffix; only files that may be linked.
        provenance: its row of the manifest.
    """

    name: str
    kind: str
    files: Mapping[str, str]
    provenance: Mapping[str, Any]

    @property
    def anchor(self) -> str:
        """Name of its place on the page."""
        return re.sub(r"[^\w-]+", "-", self.name)

    @property
    def title(self) -> str:
        """Its name in words."""
        return re.sub(r"[_/-]+", " ", PurePosixPath(self.name).name).strip().capitalize()


@dataclass(frozen=True)
class Section:
    """All that one notebook made."""

    stem: str
    title: str
    pages: Mapping[str, str]
    items: tuple[Item, ...]

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What all items of a notebook share."""
        return self.items[0].provenance


def read_contents(results: Path, notebooks: Path) -> list[Section]:
    """The sections of the page, in the order of the notebooks.

    Args:
        results: `figures/<corpus>-<scale>` with its manifest.
        notebooks: folder of the sources, for titles and the order within a notebook.

    Raises:
        InputError: if the manifest is missing or damaged.
    """
    rows = read_manifest(results)
    stems = sorted({PurePosixPath(row["made_by"]).stem for row in rows.values()})
    pages = {
        stem: [f"notebooks/{stem}{suffix}" for suffix in (".html", ".ipynb")] for stem in stems
    }
    links = linkable(results, [*rows, *(name for names in pages.values() for name in names)])
    sections = []
    for stem in stems:
        mine = {n: row for n, row in rows.items() if PurePosixPath(row["made_by"]).stem == stem}
        title, code = _read_source(results, notebooks, stem)
        items = sorted(_items(mine, links), key=lambda item: _place(item, code))
        if items:
            found = {PurePosixPath(name).suffix: name for name in pages[stem] if name in links}
            sections.append(Section(stem, title, found, tuple(items)))
    return sections


def _items(rows: Mapping[str, Mapping[str, Any]], links: set[str]) -> list[Item]:
    """Files that differ in their suffix only belong together."""
    names: dict[str, list[str]] = {}
    for file in rows:
        if file in links:
            names.setdefault(str(PurePosixPath(file).with_suffix("")), []).append(file)
    items = []
    for name, files in names.items():
        by_suffix = {PurePosixPath(file).suffix: file for file in files}
        ordered = sorted(by_suffix, key=lambda s: (ORDER.index(s) if s in ORDER else 99, s))
        shown = {suffix: by_suffix[suffix] for suffix in ordered}
        items.append(Item(name, _kind(name, shown), shown, rows[files[0]]))
    return items


def _kind(name: str, files: Mapping[str, str]) -> str:
    if ".mp4" in files or ".gif" in files:
        return "video"
    if ".png" in files:
        return "figure"
    if name.startswith("tables/") and ".csv" in files:
        return "table"
    return "file"


def _read_source(results: Path, notebooks: Path, stem: str) -> tuple[str, str]:
    """Title and code of a notebook; of the executed copy where the source has another number."""
    for path in (notebooks / f"{stem}.ipynb", results / "notebooks" / f"{stem}.ipynb"):
        try:
            cells = json.loads(path.read_text("utf-8"))["cells"]
        except (OSError, ValueError, KeyError):
            continue
        text = "".join(cells[0]["source"]) if cells else ""
        heading = HEADING.search(text)
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        return heading[1] if heading else stem, code
    return stem[3:].replace("_", " ").capitalize(), ""


def _place(item: Item, code: str) -> tuple[int, str]:
    """Where the code names an item; names made at run time count by their first words."""
    name = PurePosixPath(item.name).name
    marks = [f'"{name}"', *[f'"{name[: m.end()]}' for m in re.finditer(r"[_-]", name)][::-1]]
    found = [code.find(mark) for mark in marks]
    return next((place for place in found if place >= 0), len(code)), item.name
