"""The live view of the explorer, on a page or in a notebook: what a reader does and sees."""

from __future__ import annotations

import csv

import numpy as np


class ExplorerTab:
    """Drives a view.

    Attributes:
        tab: Playwright's page.
    """

    def __init__(self, tab):
        self.tab = tab
        self.root = tab.locator(".spfem-explorer").first
        tab.wait_for_function("document.querySelector('.spfem-explorer')?.explorer?.drawn > 0")

    def read(self, script):
        """Value of an expression of the view's own object, `explorer`."""
        return self.root.evaluate(f"({{ explorer }}) => {script}")

    def text(self):
        """The view in words."""
        return self.root.locator(".text").inner_text()

    def alert(self):
        """What went wrong, or what is being done."""
        return self.root.locator(".alert").inner_text()

    def control(self, name):
        """A list, slider or box by what it changes."""
        return self.root.locator(f"[data-name='{name}']")

    def settle(self):
        """Wait until what was done is drawn."""
        self.tab.wait_for_function(
            """() => {
                const {explorer} = document.querySelector('.spfem-explorer');
                const idle = !explorer.waiting && explorer.turn === explorer.asked;
                return idle && explorer.drawn > 0;
            }"""
        )

    def pick(self, name, value):
        """Choose from a list."""
        self.control(name).select_option(value)
        self.settle()

    def slide(self, name, value):
        """Put a slider somewhere, as dragging it does."""
        self.control(name).evaluate(
            """(slider, value) => {
                slider.value = value;
                slider.dispatchEvent(new Event('input', {bubbles: true}));
            }""",
            value,
        )
        self.settle()

    def click(self, panel, right, down):
        """Click a panel at shares of its width and height."""
        canvas = self.root.locator(f"canvas.{panel}")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        canvas.click(position={"x": right * box["width"], "y": down * box["height"]})
        self.settle()

    def numbers(self, folder):
        """The file of "Save CSV": its first lines, and (rows, columns) of numbers by panel."""
        with self.tab.expect_download() as download:
            self.root.get_by_role("button", name="Save CSV").click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        lines = path.read_text("utf-8").splitlines()
        said = [line.removeprefix("# ") for line in lines if line.startswith("#")]
        panels: dict[str, dict[tuple[int, int], float]] = {}
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            place = int(row["row"]), int(row["column"])
            panels.setdefault(row["panel"], {})[place] = float(row["value"])
        return said, panels


def as_map(values, shape):
    """A map (H, W) of numbers by (row, column); NaN where there is none."""
    whole = np.full(shape, np.nan)
    for place, value in values.items():
        whole[place] = value
    return whole
