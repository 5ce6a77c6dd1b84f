"""Executed notebooks as pages that need neither a network nor a script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from spfem.artifacts import writing
from spfem.equations import mathml
from spfem.executed_notebook import freeze_widgets
from spfem.manifest import RUNS_FOLDER
from spfem.report.captions import read_captions

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATE = Path(__file__).with_name("notebook_page.html")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
SAVED = re.compile(r"""save_(?:figure|gif)\(.*?,\s*f?["']([^"']+)["']""", re.DOTALL)


def write_notebook_page(notebook: Path, page: Path, captions: Mapping[str, str]) -> None:
    """Write an executed notebook as HTML, whole or not at all.

    Nothing is fetched: equations are MathML, pictures lie in the page and widgets are their
    pictures. Pictures have words for those who do not see them.

    Args:
        notebook: the executed notebook.
        page: where the page goes.
        captions: words by the name of the figure; `*` stands for anything.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

    book = nbformat.read(notebook, as_version=4)
    freeze_widgets(book)
    _describe_pictures(book, captions)
    book.metadata["title"] = next(iter(_headings(book)), page.stem)
    exporter = HTMLExporter(embed_images=True, raw_template=TEMPLATE.read_text("utf-8"))
    exporter.register_filter(
        "markdown2html", lambda text: MarkdownWithMath(renderer=_make_renderer()).render(text)
    )
    body, _ = exporter.from_notebook_node(book)
    with writing(page) as aside:
        aside.write_text(body, encoding="utf-8")


def captions_of_run(stem: str, results: Path, notebooks: Path) -> dict[str, str]:
    """Words of the figures of one notebook: those that its run computed, then those of the file.

    Args:
        stem: name of the notebook, such as `04_spatial_correlation`.
        results: `figures/<corpus>-<scale>`.
        notebooks: folder of the notebooks and their captions.
    """
    captions = read_captions(notebooks)
    run = results / RUNS_FOLDER / f"{stem}.json"
    rows = json.loads(run.read_text("utf-8"))["files"] if run.exists() else []
    noted = {
        str(PurePosixPath(row["file"]).with_suffix("")): row["caption"]
        for row in rows
        if row["caption"]
    }
    return noted | {name: text for name, text in captions.items() if name not in noted}


def _make_renderer() -> Any:
    from nbconvert.filters.markdown_mistune import IPythonRenderer

    class Renderer(IPythonRenderer):  # type: ignore[misc]
        def block_math(self, body: str) -> str:
            return mathml(body, block=True)

        def inline_math(self, body: str) -> str:
            return mathml(body, block=False)

        def latex_environment(self, name: str, body: str) -> str:
            return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)

    return Renderer(escape=False)


def _headings(book: NotebookNode) -> list[str]:
    texts = (cell.source for cell in book.cells if cell.cell_type == "markdown")
    return [heading for text in texts for heading in _headings_of(text)]


def _headings_of(markdown: str) -> list[str]:
    return [re.sub(r"[*`$]", "", heading) for heading in HEADING.findall(markdown)]


def _describe_pictures(book: NotebookNode, captions: Mapping[str, str]) -> None:
    """Put words for each picture into the metadata of its output, where the template reads them.

    They are the caption of the figure that the cell saves, else the heading above it.
    """
    heading = "this notebook"
    for cell in book.cells:
        if cell.cell_type == "markdown":
            heading = next(reversed(_headings_of(cell.source)), heading)
        names = [re.sub(r"\{[^}]*\}", "*", name) for name in SAVED.findall(cell.source)]
        words = [text for name in names if (text := _words(name, captions))]
        pictures = [
            output
            for output in cell.get("outputs", [])
            if any(kind.startswith("image/") for kind in output.get("data", {}))
        ]
        for number, output in enumerate(pictures):
            known = words[min(number, len(words) - 1)] if words else ""
            output.metadata["alt"] = known or f"Picture of: {heading}"


def _words(name: str, captions: Mapping[str, str]) -> str:
    """Caption of a figure; of names that a loop makes (with `*`), that of the first which fits."""
    fitting = (
        text
        for pattern, text in captions.items()
        if fnmatchcase(name, pattern) or fnmatchcase(pattern, name)
    )
    return captions.get(name, next(fitting, ""))
