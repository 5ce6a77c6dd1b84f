"""A JupyterLab per file of tests, a fresh tab per test, and what they leave to look at."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.browser.chromium import open_browser, watch_requests
from tests.browser.lab import open_lab
from tests.conftest import ROOT
from tests.offline.network import NoNetwork

ARTEFACTS = ROOT / "tests" / "artefacts"


@pytest.fixture(scope="module")
def chromium():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def artefacts(request):
    """Folder of a test's screenshots and logs, empty at its start; the path is printed."""
    folder = ARTEFACTS / re.sub(r"\W+", "_", request.node.name).strip("_")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    print(f"\nscreenshots: {folder}")


@pytest.fixture(scope="module")
def lab(request, chromium, tmp_path_factory):
    """Folder that a JupyterLab serves, and its address; no Python process reaches another host."""
    folder, private = (tmp_path_factory.mktemp(name) for name in ("served", "private"))
    ARTEFACTS.mkdir(exist_ok=True)
    log = ARTEFACTS / f"{request.module.__name__.rpartition('.')[2]}.jupyterlab.log"
    network = NoNetwork(private / "network.log")
    with open_lab(folder, private, log, network) as address:
        yield folder, address
    assert not network.attempts


@pytest.fixture
def tab(chromium, artefacts):
    """A page that may reach this machine only, and asks for no more."""
    context = chromium.new_context(
        viewport={"width": 1366, "height": 1200}, reduced_motion="reduce"
    )
    page = context.new_page()
    elsewhere = watch_requests(page)
    yield page
    page.screenshot(path=artefacts / "at_the_end.png")
    context.close()
    assert not elsewhere, f"requests to other hosts: {elsewhere}"
