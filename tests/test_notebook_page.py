import re
from html.parser import HTMLParser

import nbformat
import pytest

from spfem.run.report import write_notebook_page
from tests.test_executed_notebook import PIXEL, _output, _view

CODE = 'for a in "ab":\n    workspace.save_figure(\n        figure, f"face_{a}", table\n    )'


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


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("page")
    book = nbformat.v4.new_notebook()
    picture = {"image/png": PIXEL, "text/plain": "<Figure>"}
    book.cells = [
        nbformat.v4.new_markdown_cell("# Faces < 3\n\nWith $x^2$ and\n\n$$ y = \\frac{a}{b} $$\n"),
        nbformat.v4.new_code_cell(CODE, outputs=[_output(**picture), _output(**picture)]),
        nbformat.v4.new_markdown_cell("## A *second* part"),
        nbformat.v4.new_code_cell("figure", outputs=[_output(**picture)]),
        nbformat.v4.new_code_cell(
            'save_figure(figure, "known")',
            outputs=[
                _output(**picture, **_view("m")),
                _output(**{"text/plain": "W"}, **_view("w")),
            ],
        ),
    ]
    source, target = tmp_path / "b.ipynb", tmp_path / "b.html"
    nbformat.write(book, source)
    write_notebook_page(source, target, {"face_*": 'A "face".', "known": "What is known."})
    return target.read_text()


def test_page_fetches_nothing_and_runs_nothing(page):
    read = _Page()
    read.feed(page)
    assert not read.fetched
    assert "script" not in {tag for tag, _ in read.tags}
    assert not re.search(r"@import|url\((?!data:)", page)
    assert ("html", {"lang": "en"}) in read.tags
    assert "<title>Faces &lt; 3</title>" in page


def test_equations_are_mathml(page):
    read = _Page()
    read.feed(page)
    equations = [found for tag, found in read.tags if tag == "math"]
    assert [found["display"] for found in equations] == ["inline", "block"]
    assert "$$" not in page
    assert "<mfrac>" in page


def test_every_picture_has_words_of_its_caption_or_of_its_heading(page):
    read = _Page()
    read.feed(page)
    assert read.alt == ['A "face".', 'A "face".', "Picture of: A second part", "What is known."]
