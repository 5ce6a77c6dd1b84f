from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spfem.explore.quick_text import QuickText, quick_title


def drawn(kind, **more):
    """Ink (H, W) of two lines of words drawn by a kind of text, 1 where it is black."""
    figure = Figure(figsize=(3, 1), dpi=100)
    canvas = FigureCanvasAgg(figure)
    figure.add_artist(kind(0.5, 0.5, "frame 12\nsame moment, 0.84", fontsize=9, **more))
    canvas.draw()
    return 1 - np.asarray(canvas.buffer_rgba())[..., :3].mean(axis=2) / 255


def extent(ink):
    rows, columns = np.nonzero(ink > 0.3)
    return np.array([rows.min(), rows.max(), columns.min(), columns.max()])


@pytest.mark.parametrize("va", ["baseline", "bottom", "center", "top"])
@pytest.mark.parametrize("ha", ["left", "center", "right"])
def test_words_stand_where_the_slow_ones_stand(ha, va):
    slow = drawn(QuickText.__base__, ha=ha, va=va)
    quick = drawn(QuickText, ha=ha, va=va)
    rows_and_columns = np.abs(extent(slow) - extent(quick))
    assert rows_and_columns[:2].max() <= 1  # pixels
    assert rows_and_columns[2:].max() <= 6  # letters are not moved to whole pixels here
    assert quick.sum() == pytest.approx(slow.sum(), rel=0.25)


def test_colour_and_emptiness_are_kept():
    coloured = drawn(QuickText, color="red")
    assert 0 < coloured.max() < 0.7  # red counts as a third of black
    figure = Figure(figsize=(1, 1))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    before = np.asarray(canvas.buffer_rgba()).copy()
    figure.add_artist(QuickText(0.5, 0.5, ""))
    canvas.draw()
    assert np.array_equal(before, np.asarray(canvas.buffer_rgba()))


def test_a_quick_title_replaces_that_of_the_axes(tmp_path):
    figure = Figure(figsize=(2, 2))
    ax = figure.add_subplot()
    title = quick_title(ax, "one")
    assert ax.get_title() == "one"
    ax.title.set_text("two")
    assert (title.get_text(), title.stale) == ("two", True)
    figure.savefig(tmp_path / "page.pdf")  # real letters there
    assert (tmp_path / "page.pdf").stat().st_size > 1000
