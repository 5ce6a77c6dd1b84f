"""Pages without network or script: `index.html` of a folder of results, executed notebooks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from fnmatch import fnmatchcase
from html import escape
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from spfem.errors import InputError
from spfem.evaluation.estimates import AVERAGE
from spfem.evaluation.tables import HIGHER_IS_BETTER, clear_best
from spfem.files import digest, project_folder, writing
from spfem.run.verdicts import read_verdicts
from spfem.run.workspace import MANIFEST_NAME, RUNS_FOLDER
from spfem.scales import SCALES, load_scale

if TYPE_CHECKING:
    from nbformat import NotebookNode


PAGE_NAME = "index.html"
ORDER = (".png", ".gif", ".mp4", ".pdf", ".csv", ".tex", ".md", ".html", ".ipynb")
COUNTS = ("seeds", "clips", "moments", "windows", "pairs", "frames", "n")
NAMES = {"synthetic": "embedded corpus", "mead": "MEAD", "ravdess": "RAVDESS"}
PUBLISHED = re.compile(r"^published\b|\bpublished$", re.I)
UNKNOWN = {**dict.fromkeys(("commit", "settings", "device", "python"), "unknown"), "inputs": {}}
CELL = re.compile(r'<(?P<kind>t[dh]) id="(?P<name>[^"]*)" class="[^"]*" ?')
SHADE = "background-color: #fff3c4"

Row = dict[str, Any]


def write_report(results: Path, notebooks: Path | None = None) -> Path:
    """Write the page beside the manifest of a folder of results, whole or not at all.

    It needs no network and no script, and links by relative paths to what exists only. The folder
    of notebooks and their captions is by default that of the checkout.

    Raises:
        InputError: if the file of captions is damaged.
    """
    from jinja2 import Environment, StrictUndefined

    notebooks = project_folder() / "notebooks" if notebooks is None else notebooks
    sections = read_contents(results, notebooks)
    made = sections[-1]["made"] if sections else {}
    corpus, scale = str(made.get("corpus", "")), str(made.get("scale", ""))
    settings = load_scale(scale) if scale in SCALES else None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    text = environment.from_string(REPORT_TEMPLATE.read_text("utf-8")).render(
        name=results.resolve().name,
        explorer=next(iter(linkable(results, ["explorer.html"])), ""),
        corpus=NAMES.get(corpus, corpus),
        scale=scale,
        headline=read_headline(results),
        verdicts=read_verdicts(results),
        sections=sections,
        settings=json.dumps(asdict(settings), indent=1, default=str) if settings else "",
        settings_digest=digest(settings) if settings else "",
    )
    with writing(results / PAGE_NAME) as aside:
        aside.write_text(text, encoding="utf-8")
    return results / PAGE_NAME


def read_contents(results: Path, notebooks: Path) -> list[Row]:
    """What each notebook made, in the order of the notebooks and of their code."""
    rows = json.loads((results / MANIFEST_NAME).read_text("utf-8"))
    captions = read_captions(notebooks)
    by_stem: dict[str, dict[str, Row]] = {}
    for file, row in rows.items():
        by_stem.setdefault(PurePosixPath(row["made_by"]).stem, {})[file] = row
    pages = {stem: [f"notebooks/{stem}{end}" for end in (".html", ".ipynb")] for stem in by_stem}
    links = linkable(results, [*rows, *(page for both in pages.values() for page in both)])
    sections = []
    for stem, mine in sorted(by_stem.items()):
        title, code = _read_source(notebooks / f"{stem}.ipynb")
        names: dict[str, list[str]] = {}  # files that differ in their suffix, what is shown first
        for file in sorted((file for file in mine if file in links), key=_rank):
            names.setdefault(str(PurePosixPath(file).with_suffix("")), []).append(file)
        items = [_item(n, files, mine[files[0]], captions, results) for n, files in names.items()]
        items.sort(key=lambda item: _place(item["name"], code))
        if items:
            found = [page for page in pages[stem] if page in links]
            made = UNKNOWN | next(iter(mine.values()))
            section = {"stem": stem, "title": title, "pages": found, "made": made, "items": items}
            sections.append(section)
    return sections


def _rank(file: str) -> int:
    suffix = PurePosixPath(file).suffix
    return ORDER.index(suffix) if suffix in ORDER else len(ORDER)


def _item(name: str, files: list[str], row: Row, captions: Mapping[str, str], results: Path) -> Row:
    title = re.sub(r"[_/-]+", " ", PurePosixPath(name).name).strip().capitalize()
    table = files[0].endswith(".csv") and name.startswith("tables/")
    return {
        "name": name,
        "anchor": re.sub(r"[^\w-]+", "-", name),
        "title": title,
        "files": {PurePosixPath(file).suffix: file for file in files},
        "caption": row.get("caption") or caption_of(name, captions) or f"{title}.",
        "facts": _facts(row, results / f"{name}.csv"),
        "table": table_html(results / files[0]) if table else "",
    }


def read_captions(notebooks: Path) -> dict[str, str]:
    """Captions by the name of what they describe (`*` stands for anything), in file order.

    A notebook whose caption holds a computed number passes it to `save_figure` instead.

    Raises:
        InputError: if the file is damaged.
    """
    path = notebooks / "captions.toml"
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is damaged: {error}") from error


def caption_of(name: str, captions: Mapping[str, str]) -> str:
    """Caption of a name, in which `*` may stand too; of several that fit, the first; else empty."""
    fitting = (
        text
        for pattern, text in captions.items()
        if fnmatchcase(name, pattern) or fnmatchcase(pattern, name)
    )
    return captions.get(name, next(fitting, ""))


def _facts(row: Row, csv: Path) -> str:
    """Corpus, scale, seeds and, of a table, the range of each count its rows rest on."""
    corpus = str(row.get("corpus", "unknown"))
    facts = [NAMES.get(corpus, corpus), f"scale {row.get('scale', 'unknown')}"]
    if row.get("seeds"):
        facts.append(f"seeds of the run: {', '.join(map(str, row['seeds']))}")
    if csv.is_file():
        table = pd.read_csv(csv)
        for name in COUNTS:
            if name in table and pd.api.types.is_numeric_dtype(table[name]) and len(table):
                low, high = table[name].min(), table[name].max()
                facts.append(f"{name}: {low:g}" + f" to {high:g}" * bool(low != high))
    return "; ".join(facts)


def table_html(csv: Path) -> str:
    """A saved table as its Markdown twin shows it, bold where that is; published numbers shaded."""
    lines = csv.with_suffix(".md").read_text("utf-8").splitlines()
    cells = [line[2:-2].split(" | ") for line in lines]
    return frame_html(pd.DataFrame(cells[2:], columns=cells[0]), csv.stem)


def frame_html(frame: pd.DataFrame, name: str) -> str:
    """A table of texts. Columns whose name says `published` are shaded, and rows with such a cell.

    Only a cell that begins or ends with the word names whose numbers a row holds; prose (`why`)
    holds it elsewhere.
    """

    def shade(row: pd.Series[str]) -> list[str]:
        whole = any(PUBLISHED.search(cell) for column, cell in row.items() if column != "why")
        return [SHADE * (whole or "published" in str(column).lower()) for column in row.index]

    style = frame.style.hide(axis="index").format(escape="html").format_index(escape="html", axis=1)
    html = style.apply(shade, axis=1).set_uuid(name).to_html()
    used = set(re.findall(r"#(T_[\w-]+)", html))
    # Of a cell that is not shaded, name and class would be most of the page.
    html = CELL.sub(lambda cell: cell[0] if cell["name"] in used else f"<{cell['kind']}", html)
    return re.sub(r">\*\*([^<]+)\*\*<", r"><strong>\1</strong><", html)


def read_headline(results: Path) -> dict[str, str]:
    """By base and setting (`intra`, `cross`), every method's average over emotions, with interval.

    Bold only where the interval of the best method meets no other's.
    """
    path = results / "tables" / "main_results.csv"
    if not path.is_file():
        return {}
    table = pd.read_csv(path)
    table = table[(table.emotion == AVERAGE) & table.value.notna()]
    order = {metric: place for place, metric in enumerate(HIGHER_IS_BETTER)}  # of the papers
    found = {}
    for (base, setting), part in table.groupby(["base", "setting"], sort=False):
        columns: dict[str, dict[str, str]] = {}
        part = part.sort_values("metric", key=lambda names: names.map(order), kind="stable")
        for (metric, backbone), cell in part.groupby(["metric", "backbone"], sort=False):
            higher = HIGHER_IS_BETTER.get(str(metric), True)
            best = clear_best(cell, higher_is_better=higher)
            texts = columns[f"{metric} {'↑' if higher else '↓'} ({backbone})"] = {}
            for row in cell.itertuples():
                text = f"{row.value:.3g} [{row.ci_low:.3g}, {row.ci_high:.3g}]"
                texts[str(row.method)] = f"**{text}**" if row.method == best else text
        frame = pd.DataFrame(columns).fillna("n/a")
        place = f"{base}-{setting}"
        found[place] = frame_html(frame.reset_index(names="method"), f"headline-{place}")
    return found


def _read_source(path: Path) -> tuple[str, str]:
    """Title and code of a notebook; its name where it is not there any more."""
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return path.stem[3:].replace("_", " ").capitalize(), ""
    heading = re.search(r"^#\s+(.+)$", "".join(cells[0]["source"]), re.MULTILINE)
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return heading[1] if heading else path.stem, code


def _place(name: str, code: str) -> tuple[int, str]:
    """Where the code names an item; names made at run time count by their first words."""
    last = PurePosixPath(name).name
    marks = [f'"{last}"', *[f'"{last[: m.end()]}' for m in re.finditer(r"[_-]", last)][::-1]]
    found = [code.find(mark) for mark in marks]
    return next((place for place in found if place >= 0), len(code)), last


def linkable(results: Path, names: Iterable[str]) -> set[str]:
    """Names of files that exist; of a page that git keeps, only those that git keeps too.

    A committed page that links to what the checkout leaves out, such as the PDF twins of figures,
    would be broken for everyone but its maker.
    """
    there = [name for name in dict.fromkeys(names) if (results / name).is_file()]
    try:
        command = ["git", "-C", str(results), "check-ignore", "--stdin", "-z"]
        asked = "\0".join([PAGE_NAME, *there])
        answer = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return set(there)
    ignored = set(answer.stdout.split("\0"))
    return set(there) if PAGE_NAME in ignored else set(there) - ignored


WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
KERNEL = "python3"  # as notebooks name it
LIVE_NOTE = "Controls to turn: open this notebook in JupyterLab and run it."
REPORT_TEMPLATE = Path(__file__).with_name("report.html")
NOTEBOOK_TEMPLATE = Path(__file__).with_name("executed_notebook.html")
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
    _freeze_widgets(notebook)
    with writing(path) as aside:
        nbformat.write(notebook, aside)


def _freeze_widgets(notebook: NotebookNode) -> None:
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
        # A finished bar, or a box of tqdm with a bar among its children, is not worth a note.
        widget = state.get(model, {})
        children = json.dumps(widget.get("state", {}).get("children", []))
        shown = [widget, *(row for name, row in state.items() if f"IPY_MODEL_{name}" in children)]
        if any("Progress" in row.get("model_name", "") for row in shown):
            return None
        data.clear()
    data["text/plain"] = LIVE_NOTE
    return output


def write_notebook_page(notebook: Path, page: Path, captions: Mapping[str, str]) -> None:
    """Write an executed notebook as HTML, whole or not at all.

    Nothing is fetched: equations are MathML, pictures lie in the page and widgets are their
    pictures. Those who do not see them read `captions`, by name; `*` stands for anything.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

    book = nbformat.read(notebook, as_version=4)
    _freeze_widgets(book)
    _describe_pictures(book, captions)
    texts = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    book.metadata["title"] = next(iter(_headings_of(texts)), page.stem)
    exporter = HTMLExporter(embed_images=True, raw_template=NOTEBOOK_TEMPLATE.read_text("utf-8"))
    exporter.register_filter(
        "markdown2html", lambda text: MarkdownWithMath(renderer=_renderer()).render(text)
    )
    body, _ = exporter.from_notebook_node(book)
    with writing(page) as aside:
        aside.write_text(body, encoding="utf-8")


def captions_of_run(stem: str, results: Path, notebooks: Path) -> dict[str, str]:
    """Words of the figures of the notebook `stem`: those that its run computed, then the file's."""
    captions = read_captions(notebooks)
    run = results / RUNS_FOLDER / f"{stem}.json"
    rows = json.loads(run.read_text("utf-8"))["files"] if run.exists() else []
    words = {PurePosixPath(row["file"]): row["caption"] for row in rows if row["caption"]}
    noted = {str(file.with_suffix("")): text for file, text in words.items()}
    return noted | {name: text for name, text in captions.items() if name not in noted}


def _renderer() -> Any:
    from nbconvert.filters.markdown_mistune import IPythonRenderer

    class Renderer(IPythonRenderer):  # type: ignore[misc]
        def block_math(self, body: str) -> str:
            return mathml(body, block=True)

        def inline_math(self, body: str) -> str:
            return mathml(body, block=False)

        def latex_environment(self, name: str, body: str) -> str:
            return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)

    return Renderer(escape=False)


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
        number = 0
        for output in cell.get("outputs", []):
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                known = words[min(number, len(words) - 1)] if words else ""
                output.metadata["alt"] = known or f"Picture of: {heading}"
                number += 1


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
    display = "block" if block else "inline"
    try:
        markup = converter.convert(BIG_BAR.sub(r"\1|", tex.strip()), display=display)
    except unreadable:
        return f"<code>{words}</code>"
    if "\\" in markup or re.search(r">&(?!#|\w+;)", markup):
        return f"<code>{words}</code>"
    # Spaces and bars of TeX, which the library leaves to rules of MathML that differ.
    markup = FUNCTION.sub(_with_spaces, markup)
    markup = BAR.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', markup)
    markup = SIGN.sub(r'\1<mo form="prefix" lspace="0" rspace="0">\2</mo>', markup)
    return markup.replace("<math ", f'<math alttext="{words}" ', 1)


def _with_spaces(found: re.Match[str]) -> str:
    """A name such as log with a thin space on each side where no bracket follows."""
    before, after = found["before"] or "", found["open"] or ""
    return f"{before}{SPACE if before else ''}<mi>{found['name']}</mi>{after or SPACE}"
