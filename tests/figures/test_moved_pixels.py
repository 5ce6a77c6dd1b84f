from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from spfem.figures import moved_pixels

from spfem.errors import ShapeError
from spfem.evaluation.moved_pixels import METRICS, NED_RENDERER, ROWS


@pytest.fixture
def table():
    rows = [
        (row, metric, 1.0 + place, 0.5 + place, 1.5 + place, 4)
        for place, row in enumerate(ROWS)
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=["row", "metric", "value", "ci_low", "ci_high", "edits"])


def test_bars_are_the_edited_rows_and_lines_the_videos_of_the_corpus(table):
    assert moved_pixels.NED_RENDERER == NED_RENDERER
    figure = moved_pixels.draw_moved_pixels(table, ROWS)
    assert len(figure.axes) == len(moved_pixels.SHOWN)
    for ax in figure.axes:
        heights = sorted(bar.get_height() for bar in ax.patches if np.isfinite(bar.get_height()))
        drawn = [place for place, row in enumerate(ROWS) if row not in ("copy", "truth")]
        assert heights == [1.0 + place for place in drawn]
        levels = {line.get_ydata()[0] for line in ax.lines if line.get_linestyle() in (":", "--")}
        assert {1.0, 1.0 + list(ROWS).index("truth")} <= levels


def test_a_row_without_a_title_is_named(table):
    with pytest.raises(ShapeError, match="habit"):
        moved_pixels.draw_moved_pixels(table, {k: v for k, v in ROWS.items() if k != "habit"})
