"""Differences against zero: what is drawn, and which dots are filled."""

import pandas as pd
import pytest

from spfem.errors import ShapeError
from spfem.figures.differences import draw_differences
from spfem.figures.style import new_figure


def test_values_intervals_and_fill():
    table = pd.DataFrame(
        {
            "metric": ["spatial", "spatial"],
            "defect": ["scalar_weight", "wrapping_region"],
            "quantity": ["matched", "speech_auc"],
            "difference": [0.1, -0.02],
            "ci_low": [0.05, -0.06],
            "ci_high": [0.15, 0.03],
        }
    )
    _, axes = new_figure()
    ax = draw_differences(axes[0, 0], table)
    first_line, first_dot, second_line, second_dot = ax.lines[:4]
    assert list(first_line.get_xdata()) == [0.05, 0.15]
    assert list(second_line.get_xdata()) == [-0.06, 0.03]
    assert list(first_dot.get_xdata()) == [0.1]
    assert second_dot.get_markerfacecolor() == "white" != first_dot.get_markerfacecolor()
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == ["scalar weight: matched", "wrapping region: speech auc"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # first row at the top


def test_nothing_to_draw_is_refused():
    _, axes = new_figure()
    with pytest.raises(ShapeError, match="no row"):
        draw_differences(axes[0, 0], pd.DataFrame())
