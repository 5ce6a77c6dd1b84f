"""The explorer in a real JupyterLab, with made-up faces in the kernel."""

from __future__ import annotations

import nbformat
import numpy as np
import pytest

from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import correlation_map
from tests.browser.explorer_tab import ExplorerTab
from tests.browser.notebook_tab import NotebookTab
from tests.explore.made_up import made_clip, made_metrics

pytestmark = pytest.mark.browser

CELLS = (
    "from spfem.explore import ExplorerWidget\n"
    "from tests.explore.made_up import made_explorer\nexplorer = made_explorer()",
    "ExplorerWidget(explorer, '#level=0&right=0.4')",
)
EXACT = 0.001


@pytest.fixture
def notebook(lab, tab, artefacts):
    folder, address = lab
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "x", "language": "python"}
    book.cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
    nbformat.write(book, folder / f"{artefacts.name}.ipynb")
    sent = []
    tab.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    notebook = NotebookTab(tab, address, f"{artefacts.name}.ipynb")
    notebook.sent = sent
    notebook.run_all()
    assert not notebook.errors()
    yield notebook
    assert not notebook.errors()
    assert not notebook.wrong


def test_clicks_are_answered_by_the_browser_and_lists_by_the_kernel(notebook, tab, artefacts):
    explorer = ExplorerTab(tab)
    assert explorer.read("[explorer.state.level, explorer.state.right]") == [0, 0.4]
    tab.screenshot(path=artefacts / "opened.png")
    metrics, clips = made_metrics(), (made_clip("neutral"), made_clip("happy"))
    before = len(notebook.sent)
    for right, down in ((0.3, 0.6), (0.7, 0.3)):
        explorer.click("chosen", right, down)
        explorer.slide("frame", int(10 * right))
        place, frames = explorer.read(
            "[[explorer.view.place.row, explorer.view.place.column], explorer.view.frames]"
        )
        images = [
            images_from_frames(clip.faces[[frame]])
            for clip, frame in zip(clips, frames, strict=False)
        ]
        wanted = correlation_map(metrics["spatial"], *images, tuple(place), 0)
        found = np.array(explorer.read("[...explorer.view.maps[1]]"), float)
        assert np.allclose(found.reshape(wanted.shape), wanted, atol=EXACT, equal_nan=True)
    explorer.root.locator("canvas.chosen").focus()
    column = explorer.read("explorer.view.place.column")
    tab.keyboard.press("ArrowLeft")
    explorer.settle()
    assert explorer.read("explorer.view.place.column") == column - 1
    assert len(notebook.sent) == before, "the kernel was asked on a click or a key"

    explorer.pick("metric", "temporal_vd")
    assert "STCCL, visual disparity" in explorer.text()
    assert len(notebook.sent) > before
    tab.locator(".spfem-explorer-second select").select_option("sad")
    tab.wait_for_function(
        "document.querySelector('.spfem-explorer .text').textContent.includes('sad frame')"
    )
    tab.locator(".spfem-explorer-own-1 input").fill("/nowhere/one.mp4")
    tab.locator(".spfem-explorer-own-2 input").fill("/nowhere/two.mp4")
    tab.locator(".spfem-explorer-load").click()
    tab.wait_for_selector(".spfem-explorer-message >> text=without a way to open own clips")


def test_narrow_and_dark(notebook, tab, artefacts):
    explorer = ExplorerTab(tab)
    tab.set_default_timeout(20_000)
    tab.set_viewport_size({"width": 900, "height": 1200})
    tab.locator(".lm-MenuBar-itemLabel", has_text="Settings").first.click()
    tab.locator(".lm-Menu-item", has_text="Theme").first.click()
    tab.locator(".lm-Menu-item", has_text="JupyterLab Dark").first.click()
    tab.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
    look = "getComputedStyle(document.querySelector('.spfem-explorer'))"
    assert tab.evaluate(f"{look}.color") != "rgb(27, 31, 36)"
    explorer.click("chosen", 0.5, 0.5)
    explorer.root.scroll_into_view_if_needed()
    tab.screenshot(path=artefacts / "dark.png")
    assert explorer.root.evaluate("root => root.scrollWidth <= root.clientWidth")
    panel = tab.locator(".jp-OutputArea-output:has(.spfem-explorer)").first
    assert panel.evaluate("output => output.scrollWidth <= output.clientWidth")
