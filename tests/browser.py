"""A real browser for the tests marked `browser`; they skip where there is none."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_browser():
    """A headless Chromium, `$SPFEM_CHROMIUM` or the system's."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    paths = [os.environ.get("SPFEM_CHROMIUM"), *map(shutil.which, NAMES)]
    path = next(filter(None, paths), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or set SPFEM_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
