"""The page of an executed notebook in a browser without a network."""

from __future__ import annotations

import nbformat
import pytest

from spfem.run.report import write_notebook_page
from tests.browser.chromium import watch_requests
from tests.test_executed_notebook import PIXEL, WIDGET

pytestmark = pytest.mark.browser

TEXT = r"""# Title
Inline $w_s \log x$ and $$ L = -\sum_s w_s \log \frac{\exp(q_s \cdot k_s/\tau)}{\sum_t x_t} $$
"""


@pytest.fixture
def page(tmp_path):
    book = nbformat.v4.new_notebook()
    shown = {
        "image/png": PIXEL,
        "text/plain": "ExplorerWidget()",
        WIDGET: {"model_id": "gone", "version_major": 2, "version_minor": 0},
    }
    book.cells = [
        nbformat.v4.new_markdown_cell(TEXT),
        nbformat.v4.new_code_cell(
            "ExplorerWidget(explorer)", outputs=[nbformat.v4.new_output("display_data", shown)]
        ),
    ]
    nbformat.write(book, tmp_path / "a.ipynb")
    write_notebook_page(tmp_path / "a.ipynb", tmp_path / "a.html", {})
    return tmp_path / "a.html"


@pytest.mark.parametrize("width", [1280, 390])
def test_page_asks_nobody_and_shows_equations_and_pictures(chromium, page, artefacts, width):
    tab = chromium.new_page(viewport={"width": width, "height": 700})
    elsewhere, wrong = watch_requests(tab), []
    tab.on("requestfailed", lambda request: wrong.append(request.url))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(page.as_uri())
    assert tab.title() == "Title"
    assert tab.get_attribute("html", "lang") == "en"
    assert tab.evaluate("[...document.images].every(i => i.naturalWidth > 0 && i.alt)")
    assert tab.evaluate("document.images.length") == 1
    assert tab.locator(".jupyter-widgets, script").count() == 0
    for equation, least in zip(tab.locator("math").all(), (12, 30), strict=True):
        assert equation.bounding_box()["height"] >= least  # drawn as a formula, fraction and all
    # A subscript stands below its letter.
    letter, below = (
        tab.locator("math msub").first.locator("mi").nth(n).bounding_box() for n in (0, 1)
    )
    assert below["y"] + below["height"] > letter["y"] + letter["height"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.screenshot(path=artefacts / "page.png")
    tab.close()
    assert not elsewhere
    assert not wrong
