"""A notebook in a tab of JupyterLab: open it, run it, look at what it says."""

from __future__ import annotations

import time

RUN_SECONDS, WAIT_SECONDS = 900, 180  # a shared machine may be slow
PROMPTS = """() => [...document.querySelectorAll(
    '.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputArea-prompt')]
    .map(prompt => prompt.textContent.trim())"""
ERROR = "[data-mime-type='application/vnd.jupyter.error']"
WARNED = "[data-mime-type='application/vnd.jupyter.stderr']"


class NotebookTab:
    """Drives one notebook.

    Attributes:
        tab: Playwright's page.
        wrong: errors of the page's own scripts.
    """

    def __init__(self, tab, address, name):
        self.tab, self.wrong = tab, []
        tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        tab.set_default_timeout(1000 * WAIT_SECONDS)
        tab.goto(f"{address}/lab/tree/{name}?reset", wait_until="commit")
        tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
        # Not the notebook's own indicator, which says idle before there is a kernel.
        tab.wait_for_selector("#jp-main-statusbar >> text=/ \\| Idle$/")

    def run_all(self):
        """Run all cells; return how long that took, in seconds."""
        begun = time.monotonic()
        self.tab.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        self.tab.get_by_text("Run All Cells", exact=True).click()
        self.tab.wait_for_function(
            f"({PROMPTS})().every(prompt => /^\\[\\d+\\]:$/.test(prompt))"
            f' || document.querySelector("{ERROR}")',
            timeout=1000 * RUN_SECONDS,
        )
        return time.monotonic() - begun

    def errors(self):
        """Texts of outputs that are errors."""
        return self.tab.locator(ERROR).all_inner_texts()

    def warnings(self):
        """What cells wrote to the stream of errors."""
        return self.tab.locator(WARNED).all_inner_texts()

    def pictures(self):
        """Number of pictures that cells have shown and that are whole."""
        return self.tab.evaluate(
            """() => [...document.querySelectorAll('.jp-OutputArea-output img')]
                .filter(image => image.complete && image.naturalWidth > 0).length"""
        )
