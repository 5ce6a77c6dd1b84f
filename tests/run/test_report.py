"""Pages: the contents of index.html, executed notebooks frozen and as pages, equations."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from xml.etree import ElementTree

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spfem.evaluation.tables import save_table
from spfem.media.video import write_video
from spfem.run.report import (
    LIVE_NOTE,
    WIDGET,
    WIDGET_STATE,
    frame_html,
    freeze_notebook,
    mathml,
    own_kernel,
    read_contents,
    table_html,
    write_notebook_page,
    write_report,
)
from tests.browser.chromium import open_browser, watch_requests
from tests.conftest import ROOT

CODE = 'workspace.save_table(t, "zeta")\nworkspace.save_figure(f, "alpha")\nsave(f"face_{actor}")'


def write_notebook(folder, stem, title, code):
    cells = [("markdown", [f"# {title}\n", "\n", "Prose."]), ("code", [code])]
    book = {"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.ipynb").write_text(json.dumps(book))


def main_results():
    rows = [
        ("moved", "intra", "copy", "fad", "net", "average", 3.0, 2.9, 3.1, 1, 8),
        ("moved", "intra", "ned", "fad", "net", "average", 2.0, 1.9, 2.1, 3, 8),
        ("moved", "intra", "ned+asccl", "fad", "net", "average", 1.23456, 1.0, 1.5, 3, 8),
        ("moved", "intra", "ned", "fad", "net", "happy", 9.87654, 9.0, 10.0, 3, 4),
    ]
    names = "base setting method metric backbone emotion value ci_low ci_high seeds clips"
    return pd.DataFrame(rows, columns=names.split())


def make_results(root):
    """Return (results, notebooks) with two figures, two tables, a video, a lost file."""
    notebooks, results = root / "notebooks", root / "figures" / "synthetic-smoke"
    write_notebook(notebooks, "03_late", "Later <things>", "")
    write_notebook(notebooks, "01_early", "Early things", CODE)
    for name in ("alpha", "face_M001"):
        results.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (900, 40), "teal").save(results / f"{name}.png")
    (results / "alpha.pdf").write_bytes(b"%PDF")
    (results / "notebooks").mkdir()
    (results / "notebooks" / "01_early.html").write_text("<p>executed</p>")
    numbers = pd.DataFrame({"name": ["a|b", "<b>"], "x": [0.123456, 1e-7], "published": [1, 2]})
    save_table(numbers, results / "tables", "zeta")
    save_table(main_results(), results / "tables", "main_results")
    frame = np.zeros((16, 24, 3), np.uint8)
    write_video(results / "videos" / "clip.mp4", [frame] * 4, 25)
    early = ["alpha.png", "alpha.pdf", "face_M001.png", "tables/zeta.csv", "tables/zeta.md"]
    late = ["tables/main_results.csv", "videos/clip.mp4", "lost.png"]
    rows = {}
    for stem, names in (("01_early", early), ("03_late", late)):
        for name in names:
            rows[name] = {
                "made_by": f"notebooks/{stem}.ipynb",
                "corpus": "synthetic",
                "scale": "smoke",
                "seeds": [7],
                "settings": "0123",
                "commit": "abc",
                "device": "cpu",
                "python": "3.11",
                "inputs": {"corpus": "d1", "faces": "d2"},
                "caption": "Three <bars>." if name == "alpha.png" else "",
            }
    (results / "manifest.json").write_text(json.dumps(rows))
    (notebooks / "captions.toml").write_text('"face_*" = "A face."\nzeta = "not this"\n')
    return results, notebooks


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.anchors, self.unlabelled = [], set(), []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors.add(found.get("id"))
        self.targets += [v for k, v in attrs if k in ("href", "src") and v != "data:,"]
        if tag == "img" and not found.get("alt"):
            self.unlabelled.append(found)


@pytest.fixture
def folders(tmp_path):
    return make_results(tmp_path)


def _read(page):
    links = _Links()
    links.feed(page.read_text())
    return links


def test_sections_follow_the_notebooks_and_items_their_code(folders):
    sections = read_contents(*folders)
    assert [section["title"] for section in sections] == ["Early things", "Later <things>"]
    early, late = ([item["name"] for item in section["items"]] for section in sections)
    assert early == ["tables/zeta", "alpha", "face_M001"]
    assert set(late) == {"tables/main_results", "videos/clip"}
    zeta, alpha, _ = sections[0]["items"]
    assert list(alpha["files"]) == [".png", ".pdf"]
    assert (bool(zeta["table"]), bool(alpha["table"])) == (True, False)


def test_every_link_leads_somewhere_and_every_picture_has_words(folders):
    page = write_report(*folders)
    links = _read(page)
    assert not links.unlabelled
    assert {"alpha.pdf", "videos/clip.mp4", "notebooks/01_early.html"} <= set(links.targets)
    for target in links.targets:
        if target.startswith("#"):
            assert target[1:] in links.anchors
        else:
            assert (page.parent / target).is_file(), target


def test_the_explorer_is_linked_where_it_is_there(folders):
    assert "The explorer</a>" not in write_report(*folders).read_text()
    (folders[0] / "explorer.html").write_text("<p>alive</p>")
    page = write_report(*folders)
    assert "explorer.html" in _read(page).targets
    assert "click a place on a face" in page.read_text()


def test_captions_come_from_the_notebook_then_the_file_then_the_name(folders):
    text = write_report(*folders).read_text()
    for caption in ("Three &lt;bars&gt;.", "<figcaption>A face.", "<figcaption>Zeta."):
        assert caption in text
    assert "embedded corpus; scale smoke; seeds of the run: 7." in text
    assert "seeds of the run: 7; seeds: 1 to 3; clips: 4 to 8." in text
    assert "Later &lt;things&gt;" in text


def test_headline_holds_averages_in_bold_where_clear(folders):
    text = write_report(*folders).read_text()
    headline = text[text.index('id="headline"') : text.index("<section")]
    assert "<strong>1.23 [1, 1.5]</strong>" in headline
    assert "9.88" not in headline
    assert "<strong>3" not in headline


def test_page_leads_with_verdicts_and_what_they_rest_on(folders):
    results, notebooks = folders
    assert 'id="verdicts"' not in write_report(results, notebooks).read_text()
    counts = pd.DataFrame(
        [("ned", verdict, claims, of_methods, 8, 16, 10) for verdict, claims, of_methods in (
            ("seen here", 20, 10), ("undecided", 5, 5), ("not testable here", 148, 99),
        )],
        columns=["base", "verdict", "claims", "method_claims", "actors", "clips", "seeds"],
    )  # fmt: skip
    differences = pd.DataFrame(
        {"base": "ned", "against": ["ned", "ned", "habit"], "metric": "lse_d",
         "detectable_80": [0.01, 0.03, 0.9]}
    )  # fmt: skip
    for name, table in (("paper_check_counts", counts), ("method_differences", differences)):
        table.to_csv(results / "tables" / f"{name}.csv", index=False)
    text = write_report(results, notebooks).read_text()
    assert text.index('id="verdicts"') < text.index('id="headline"')
    words = " ".join(text[text.index('id="verdicts"') : text.index('id="headline"')].split())
    assert "Of 173 claims of the papers, asked on base ned: 20 seen here, 5 undecided" in words
    assert "Of the 15 about methods that can be asked here, 33% are undecided." in words
    assert "8 actors, 16 source clips a setting and 10 seeds" in words
    assert "a change of 2.00% of lse_d would be seen in four of five runs" in words


def test_page_is_the_same_when_written_again(folders):
    assert write_report(*folders).read_bytes() == write_report(*folders).read_bytes()


def test_committed_page_links_only_to_what_is_committed(folders):
    results, notebooks = folders
    subprocess.run(["git", "init", "-q", str(results.parent)], check=True)
    ignore = results.parent / ".gitignore"
    ignore.write_text("*.pdf\n")
    assert "alpha.pdf" not in _read(write_report(results, notebooks)).targets
    ignore.write_text("*\n")  # the page stays where it was made
    assert "alpha.pdf" in _read(write_report(results, notebooks)).targets


def test_tables_are_escaped_and_published_numbers_marked(folders):
    text = table_html(folders[0] / "tables" / "zeta.csv")
    assert "a|b" in text
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert len(_shaded(text, 2)) == 2
    assert "not absolute values" in write_report(*folders).read_text()


def _shaded(html, column):
    """Rows whose cell of a column is shaded."""
    marked = re.search(r"<style[^>]*>(.*?)</style>", html, re.S)[1]
    return re.findall(rf"row(\d+)_col{column}\b", marked)


def test_layout_of_its_own_is_taken_as_it_stands(tmp_path):
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "t.md").write_text("| who | best |\n| --- | --- |\n| x | **1.0** |\n")
    text = table_html(tmp_path / "t.csv")
    assert ">who<" in text
    assert "<strong>1.0</strong>" in text


def test_every_saved_thing_of_the_notebooks_has_a_caption():
    captions = tomllib.loads((ROOT / "notebooks" / "captions.toml").read_text())
    folders = {"figure": "", "table": "tables/", "gif": "videos/"}
    without = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        for call in re.split(r"(?=workspace\.save_(?:figure|table|gif)\()", code)[1:]:
            kind = re.match(r"workspace\.save_(\w+)", call)[1]
            words = re.findall(r'"([^"\n]+)"', call)
            names = [folders[kind] + re.sub(r"\{[^}]*\}", "*", word) for word in words]
            known = any(fnmatchcase(key, name) for key in captions for name in names)
            if "caption=" not in call and not known:
                without.append(f"{path.stem}: {names[:1]}")
    assert not without


def test_rows_of_published_numbers_are_marked():
    rows = [["A on MEAD, published", "1", ""], ["unpublished", "2", "published direction"]]
    page = frame_html(pd.DataFrame(rows, columns=["of", "x", "why"]), "t")
    assert _shaded(page, 1) == ["0"]
    assert page.count("<td id=") == 3  # only shaded cells need names
    assert page.count("<td") == 6


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def _output(**data):
    return nbformat.v4.new_output("display_data", data)


def _view(model):
    return {WIDGET: {"model_id": model, "version_major": 2, "version_minor": 0}}


@pytest.fixture
def notebook(tmp_path):
    book = nbformat.v4.new_notebook()
    book.metadata["widgets"] = {
        WIDGET_STATE: {
            "state": {
                "dial": {"model_name": "VBoxModel", "state": {"children": []}},
                "box": {"model_name": "HBoxModel", "state": {"children": ["IPY_MODEL_bar"]}},
                "bar": {"model_name": "FloatProgressModel", "state": {}},
                "plot": {"model_name": "AnyModel", "state": {}},
            },
        },
    }
    book.cells = [
        nbformat.v4.new_markdown_cell("# Title"),
        nbformat.v4.new_code_cell(
            "x",
            outputs=[
                _output(**{"text/plain": "0%|  |"}, **_view("box")),
                _output(**{"text/plain": "0%|  |"}, **_view("bar")),
                _output(**{"text/plain": "VBox(...)"}, **_view("dial")),
                _output(**{"text/html": "<iframe>", "text/plain": "View"}, **_view("plot")),
                _output(**{"image/png": PIXEL, "text/plain": "Canvas"}, **_view("plot")),
                _output(**{"image/png": PIXEL, "text/plain": "<Figure>"}),
                _output(**{"text/html": "<table></table>", "text/plain": "a"}),
                nbformat.v4.new_output("stream", text="0.5\n"),
            ],
        ),
    ]
    path = tmp_path / "executed.ipynb"
    nbformat.write(book, path)
    return path


def test_widgets_become_their_pictures_and_progress_goes(notebook):
    freeze_notebook(notebook)
    book = nbformat.read(notebook, as_version=4)
    nbformat.validate(book)
    assert "widgets" not in book.metadata
    live, page, plot, figure, table, text = book.cells[1].outputs
    assert live.data == {"text/plain": LIVE_NOTE}
    assert page.data == {"text/html": "<iframe>", "text/plain": LIVE_NOTE}
    assert set(plot.data) == {"image/png", "text/plain"}
    assert plot.data["image/png"].strip() == PIXEL
    assert figure.data["text/plain"] == "<Figure>"
    assert set(table.data) == {"text/html", "text/plain"}
    assert text.text == "0.5\n"


def test_what_has_no_widget_stays_byte_for_byte(notebook):
    freeze_notebook(notebook)
    before = notebook.read_bytes()
    freeze_notebook(notebook)
    assert notebook.read_bytes() == before


def test_another_kernel_of_the_usual_name_is_not_taken(tmp_path, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager

    foreign = tmp_path / "kernels" / "python3" / "kernel.json"
    foreign.parent.mkdir(parents=True)
    words = ["/usr/bin/other-python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    foreign.write_text(json.dumps({"argv": words, "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "/usr/bin/other-python"
    with own_kernel() as name:
        assert KernelSpecManager().get_kernel_spec(name).argv[0] == sys.executable
    assert os.environ["JUPYTER_PATH"] == str(tmp_path)
    monkeypatch.delenv("JUPYTER_PATH")
    with own_kernel():
        pass
    assert "JUPYTER_PATH" not in os.environ


LOOP = 'for a in "ab":\n    workspace.save_figure(\n        figure, f"face_{a}", table\n    )'


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.fetched, self.alt = [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        address = found.get("src") or (found.get("href") if tag == "link" else "") or ""
        if address and not address.startswith("data:"):
            self.fetched.append(address)
        if tag == "img":
            self.alt.append(found.get("alt"))


def _write_page(folder, cells, captions):
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "b.ipynb")
    write_notebook_page(folder / "b.ipynb", folder / "b.html", captions)
    return folder / "b.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The text of a page, and its tags as read by a parser."""
    picture = _output(**{"image/png": PIXEL, "text/plain": "<Figure>"})
    live = _output(**{"image/png": PIXEL, "text/plain": "<Figure>"}, **_view("m"))
    widget = _output(**{"text/plain": "W"}, **_view("w"))
    code, markdown = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    cells = [
        markdown("# Faces < 3\n\nWith $x^2$ and\n\n$$ y = \\frac{a}{b} $$\n"),
        code(LOOP, outputs=[picture, picture]),
        markdown("## A *second* part"),
        code("figure", outputs=[picture]),
        code('save_figure(figure, "known")', outputs=[live, widget]),
    ]
    captions = {"face_*": 'A "face".', "known": "What is known."}
    text = _write_page(tmp_path_factory.mktemp("page"), cells, captions).read_text()
    read = _Page()
    read.feed(text)
    return text, read


def test_a_page_fetches_nothing_and_runs_nothing(page):
    text, read = page
    assert not read.fetched
    assert "script" not in {tag for tag, _ in read.tags}
    assert not re.search(r"@import|url\((?!data:)", text)
    assert ("html", {"lang": "en"}) in read.tags
    assert "<title>Faces &lt; 3</title>" in text


def test_equations_are_mathml_and_pictures_have_words_of_their_own(page):
    text, read = page
    equations = [found for tag, found in read.tags if tag == "math"]
    assert [found["display"] for found in equations] == ["inline", "block"]
    assert "$$" not in text
    assert "<mfrac>" in text
    assert read.alt == ['A "face".', 'A "face".', "Picture of: A second part", "What is known."]


BLOCK, INLINE = r"(?<!\\)\$\$(.+?)\$\$", r"(?<![$\\])\$([^$\s][^$]*?)(?<![$\\])\$"


def _equations():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "markdown":
                text = re.sub(r"`[^`]*`", "", "".join(cell["source"]))
                found = re.findall(BLOCK, text, re.DOTALL)
                rest = re.sub(BLOCK, "", text, flags=re.DOTALL)
                for tex in [*found, *re.findall(INLINE, rest, re.DOTALL)]:
                    yield path.stem, tex


def test_every_equation_of_the_notebooks_can_be_drawn_without_a_network():
    equations = list(_equations())
    assert len(equations) > 15
    unread = [(stem, tex) for stem, tex in equations if "<math" not in mathml(tex, block=True)]
    assert not unread
    for _, tex in equations:
        ElementTree.fromstring(mathml(tex, block=False))


@pytest.mark.parametrize(
    "tex", [r"\nosuchcommand x", r"\left( x", r"\begin{aligned}a&=b\end{aligned}"]
)
def test_what_cannot_be_read_stays_as_it_is(tex):
    assert mathml(tex, block=True) == f"<code>{tex.replace('&', '&amp;')}</code>"


@pytest.fixture(params=[1280, 390])
def visit(request):
    """Opens a page in a browser of one width; what goes wrong, or elsewhere, fails the test."""
    with open_browser() as browser:
        tab = browser.new_page(viewport={"width": request.param, "height": 800})
        wrong = watch_requests(tab)
        tab.on("requestfailed", lambda request: wrong.append(request.url))
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))

        def open_page(page):
            tab.goto(page.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= request.param
            return tab

        yield open_page
        assert not wrong


@pytest.mark.browser
@pytest.mark.slow
def test_the_report_in_a_browser(folders, visit):
    tab = visit(write_report(*folders))
    tab.click("nav a[href='#03_late']")
    assert tab.locator("h2[id='03_late']").is_visible()
    for picture in tab.locator("img").all():
        picture.scroll_into_view_if_needed()
    tab.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    tab.wait_for_function("[...document.querySelectorAll('video')].every(v => v.readyState > 0)")


TEXT = r"""# Title
Inline $w_s \log x$ and $$ L = -\sum_s w_s \log \frac{\exp(q_s \cdot k_s/\tau)}{\sum_t x_t} $$
"""


@pytest.mark.browser
def test_a_notebook_page_in_a_browser_shows_equations_and_pictures(tmp_path, visit):
    shown = _output(**{"image/png": PIXEL, "text/plain": "ExplorerWidget()"}, **_view("gone"))
    cells = [nbformat.v4.new_markdown_cell(TEXT), nbformat.v4.new_code_cell("w", outputs=[shown])]
    tab = visit(_write_page(tmp_path, cells, {}))
    assert tab.title() == "Title"
    assert tab.get_attribute("html", "lang") == "en"
    assert tab.evaluate("[...document.images].every(i => i.naturalWidth > 0 && i.alt)")
    assert tab.evaluate("document.images.length") == 1
    assert tab.locator(".jupyter-widgets, script").count() == 0
    for equation, least in zip(tab.locator("math").all(), (12, 30), strict=True):
        assert equation.bounding_box()["height"] >= least  # drawn as a formula, fraction and all
    # A subscript stands below its letter.
    parts = tab.locator("math msub").first.locator("mi")
    letter, below = (parts.nth(n).bounding_box() for n in (0, 1))
    assert below["y"] + below["height"] > letter["y"] + letter["height"]
