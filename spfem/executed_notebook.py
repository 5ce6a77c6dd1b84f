"""Executed notebooks: run in our own Python, frozen, and as pages without network or script."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from spfem.artifacts import writing
from spfem.manifest import RUNS_FOLDER
from spfem.report import caption_of, read_captions

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
KERNEL = "python3"  # as notebooks name it
LIVE_NOTE = "Controls to turn: open this notebook in JupyterLab and run it."
TEMPLATE = Path(__file__).with_suffix(".html")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
SAVED = re.compile(r"""save_(?:figure|gif)\(.*?,\s*f?["']([^"']+)["']""", re.DOTALL)
SPACE = '<mspace width="0.167em" />'
# Names of functions that stand in a row of symbols, with what is beside them.
FUNCTION = re.compile(
    r"(?P<before></m(?:i|n|row|sub|sup|subsup)>)?(?<!<msub>)(?<!<msup>)(?<!<msubsup>)"
    r"<mi>(?P<name>[a-z]{2,})</mi>(?P<open><mo[^>]*>(?:&#x00028;|\(|\[))?"
)
BAR = re.compile(r'<mo(?: stretchy="false")?>(\||&#x0007C;|&#x02016;)</mo>')
BIG_BAR = re.compile(r"(\\[bB]igg?[lr]?)\s*\\[lr]vert\b")  # known to the library as | alone
SIGN = re.compile(
    r"(>(?:&#x00028;|\(|\[|&#x0003D;|=|&#x0002C;|,)</mo>)<mo>(&#x02212;|&#x0002B;)</mo>"
)


@contextmanager
def own_kernel() -> Iterator[str]:
    """Give a Jupyter kernel that runs in this Python, found before any other of the usual name."""
    with TemporaryDirectory(prefix="spfem-kernel-") as folder:
        words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel = {"argv": words, "display_name": "Python 3", "language": "python"}
        path = Path(folder) / "kernels" / KERNEL / "kernel.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(kernel), encoding="utf-8")
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (folder, before)))
        try:
            yield KERNEL
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def freeze_notebook(path: Path) -> None:
    """Replace the widgets of an executed notebook, in its file, by what can be seen of them.

    A code-hosting site and a page show no widget: it is the page or picture that it brings with it
    (`text/html` or `image/png` beside it), else a note; finished progress bars go. Their state
    goes as well.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    freeze_widgets(notebook)
    with writing(path) as aside:
        nbformat.write(notebook, aside)


def freeze_widgets(notebook: NotebookNode) -> None:
    """The same for a notebook in memory, changed in place."""
    state = notebook.metadata.pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _frozen(output, state))]


def _frozen(output: Any, state: dict[str, Any]) -> Any:
    data = output.get("data", {})
    if WIDGET not in data:
        return output
    model = data.pop(WIDGET).get("model_id", "")
    if not any(kind == "text/html" or kind.startswith("image/") for kind in data):
        if _is_progress(state, model):
            return None
        data.clear()
    data["text/plain"] = LIVE_NOTE
    return output


def _is_progress(state: dict[str, Any], model: str) -> bool:
    """Whether a widget is a bar, or a box of tqdm with a bar among its children."""
    widget = state.get(model, {})
    children = json.dumps(widget.get("state", {}).get("children", []))
    shown = [widget, *(row for name, row in state.items() if f"IPY_MODEL_{name}" in children)]
    return any("Progress" in row.get("model_name", "") for row in shown)


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
        words = [text for name in names if (text := caption_of(name, captions))]
        pictures = [
            output
            for output in cell.get("outputs", [])
            if any(kind.startswith("image/") for kind in output.get("data", {}))
        ]
        for number, output in enumerate(pictures):
            known = words[min(number, len(words) - 1)] if words else ""
            output.metadata["alt"] = known or f"Picture of: {heading}"


def mathml(tex: str, *, block: bool) -> str:
    """Convert an equation; a block stands on a line of its own.

    A command that is not known leaves the whole equation as TeX, which can at least be read.
    """
    from latex2mathml import converter, exceptions

    unreadable = (
        exceptions.DenominatorNotFoundError,
        exceptions.ExtraLeftOrMissingRightError,
        exceptions.InvalidStyleForGenfracError,
        exceptions.NoAvailableTokensError,
    )
    words = escape(tex.strip())
    try:
        markup = converter.convert(
            BIG_BAR.sub(r"\1|", tex.strip()), display="block" if block else "inline"
        )
    except unreadable:
        return f"<code>{words}</code>"
    if "\\" in markup or re.search(r">&(?!#|\w+;)", markup):
        return f"<code>{words}</code>"
    return _set_as_tex_does(markup).replace("<math ", f'<math alttext="{words}" ', 1)


def _set_as_tex_does(markup: str) -> str:
    """Spaces and bars of TeX, which the library leaves to rules of MathML that differ."""
    markup = FUNCTION.sub(_with_spaces, markup)
    markup = BAR.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', markup)
    return SIGN.sub(r'\1<mo form="prefix" lspace="0" rspace="0">\2</mo>', markup)


def _with_spaces(found: re.Match[str]) -> str:
    """A name such as log with a thin space on each side where no bracket follows."""
    before, after = found["before"] or "", found["open"] or ""
    return f"{before}{SPACE if before else ''}<mi>{found['name']}</mi>{after or SPACE}"
