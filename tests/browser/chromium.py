"""A real browser for the tests marked `browser`; they skip where there is none."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
LOOPBACK = ("127.0.0.1", "localhost", "")  # none: a file or what lies in the page itself


@contextmanager
def open_browser():
    """A headless Chromium, `$SPFEM_CHROMIUM` or the system's."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    paths = [os.environ.get("SPFEM_CHROMIUM"), *map(shutil.which, NAMES)]
    path = next(filter(None, paths), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or set SPFEM_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def keep_on_loopback(tab):
    """Refuse what a page asks of any other host; return the list of such requests, as it grows."""
    refused = []

    def decide(route):
        if urlsplit(route.request.url).hostname in (*LOOPBACK, None):
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    tab.context.route("**/*", decide)
    return refused
