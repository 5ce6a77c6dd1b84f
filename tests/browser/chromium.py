"""A real browser for the tests marked `browser`; they skip where there is none."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
LOOPBACK = ("127.0.0.1", "localhost", "", None)  # none: a file or what lies in the page itself
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@contextmanager
def open_browser():
    """A headless Chromium, `$SPFEM_CHROMIUM` or the system's, which finds no other host."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    paths = [os.environ.get("SPFEM_CHROMIUM"), *map(shutil.which, NAMES)]
    path = next(filter(None, paths), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or set SPFEM_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def watch_requests(tab):
    """What a page asks of other hosts, as a list that grows; the browser finds none of them."""
    elsewhere = []

    def note(request):
        if urlsplit(request.url).hostname not in LOOPBACK:
            elsewhere.append(request.url)

    tab.on("request", note)
    tab.on("websocket", note)
    return elsewhere
