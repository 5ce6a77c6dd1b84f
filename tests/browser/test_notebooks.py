"""Notebooks of the package in a real JupyterLab, on the data of the smoke run."""

from __future__ import annotations

import nbformat
import pytest

from tests.browser.explorer_tab import ExplorerTab
from tests.browser.notebook_tab import NotebookTab
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCALE = "smoke"
DATA = ROOT / "data"


@pytest.fixture
def opened(request, smoke, lab, tab, tmp_path):
    """A notebook with its parameters set as a user would: in the parameters cell."""
    folder, address = lab
    [source] = (ROOT / "notebooks").glob(f"{request.param}_*.ipynb")
    book = nbformat.read(source, as_version=4)
    [cell] = [c for c in book.cells if "parameters" in c.metadata.get("tags", [])]
    ours = {"scale": SCALE, "data": str(DATA), "figures": str(tmp_path / "figures")}
    lines = cell.source.splitlines()
    for name, value in ours.items():
        lines = [f'{name} = "{value}"' if line.startswith(f"{name}:") else line for line in lines]
    cell.source = "\n".join(lines)
    nbformat.write(book, folder / source.name)
    return NotebookTab(tab, address, source.name)


@pytest.mark.parametrize("opened", ["17"], indirect=True)
def test_real_explorer(opened, artefacts):
    seconds = opened.run_all()
    assert not opened.errors()
    explorer = ExplorerTab(opened.tab)
    opened.tab.screenshot(path=artefacts / "opened.png")
    print(f"\nall cells ran in {seconds:.0f} s; {explorer.text()}")
    explorer.click("chosen", 0.5, 0.72)
    explorer.root.screenshot(path=artefacts / "mouth.png")
    explorer.click("chosen", 0.35, 0.4)
    explorer.root.screenshot(path=artefacts / "eye.png")
    for name, title in explorer.read("explorer.found.pair.metrics").items():
        explorer.pick("metric", name)
        assert title in explorer.text()
        explorer.root.screenshot(path=artefacts / f"{name}.png")
    assert not opened.errors()
    assert not opened.wrong


@pytest.mark.parametrize("opened", ["00", "04"], indirect=True)
def test_notebook_runs_in_jupyterlab(opened, artefacts):
    seconds = opened.run_all()
    opened.tab.screenshot(path=artefacts / "ran.png")
    print(f"\nall cells ran in {seconds:.0f} s")
    assert not opened.errors()
    assert opened.pictures() >= 1
    assert not opened.wrong
