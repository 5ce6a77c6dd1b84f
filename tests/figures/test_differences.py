"""Differences against zero: what is drawn, and which dots are filled."""

import pandas as pd
import pytest

from spfem.errors import ShapeError
from spfem.interval_plots import draw_differences, draw_method_differences
from spfem.plots import METHOD_LOOKS, new_figure


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


def test_methods_keep_their_look_and_show_their_seeds():
    table = pd.DataFrame(
        {
            "method": ["ned+asccl", "ned+all", "ned+all"],
            "metric": ["mouth_error", "mouth_error", "csim"],
            "difference": [-1.0, 0.2, 9.0],
            "ci_low": [-1.5, -0.1, 8.0],
            "ci_high": [-0.5, 0.6, 10.0],
            "seed_low": [-1.2, 0.2, 9.0],
            "seed_high": [-0.8, 0.2, 9.0],
            "seeds": [3, 1, 1],
            "clear": [True, False, True],
        }
    )
    _, axes = new_figure()
    ax = draw_method_differences(axes[0, 0], table, "mouth_error")
    interval, dot, seeds, open_interval, open_dot = ax.lines[:5]
    assert list(interval.get_xdata()) == [-1.5, -0.5]
    assert list(seeds.get_xdata()) == [-1.2, -0.8]
    assert list(open_interval.get_xdata()) == [-0.1, 0.6]
    assert dot.get_color() == dot.get_markerfacecolor() == METHOD_LOOKS["ned+asccl"].colour
    assert open_dot.get_markerfacecolor() == "white"
    assert [text.get_text() for text in ax.get_yticklabels()] == ["NED + ASCCL", "NED + all"]
    with pytest.raises(ShapeError, match="one row a method; got none"):
        draw_method_differences(ax, table, "fad")
