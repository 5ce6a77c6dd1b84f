from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from spfem.errors import ShapeError
from spfem.interval_plots import draw_ablation

LABELS = {"auc": "AUC ↑", "gap": "gap ↑"}


def rows(*planted):
    """(variant, component, against, clear) with differences 0, 1, 2 ... in each quantity."""
    return pd.DataFrame(
        {
            "variant": name, "component": component, "against": against, "clear": clear,
            "quantity": quantity, "difference": place - 0.0 if against else np.nan,
            "ci_low": place - 1.0, "ci_high": place + 2.0,
            "seed_low": place - 0.5, "seed_high": place + 0.5, "seeds": 3,
        }
        for place, (name, component, against, clear) in enumerate(planted)
        for quantity in LABELS
    )  # fmt: skip


PLANTED = rows(
    ("default", "", "", False),
    ("fewer", "places", "default", True),
    ("alone", "levels", "NED", False),
)


def test_one_panel_a_quantity_and_one_line_a_variant_that_is_compared():
    figure = draw_ablation(PLANTED, LABELS)
    assert [ax.get_xlabel() for ax in figure.axes] == ["Δ AUC ↑", "Δ gap ↑"]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["fewer", "alone (to NED)"]


def test_marks_stand_at_the_difference_between_the_ends_and_are_filled_where_clear():
    ax = draw_ablation(PLANTED, LABELS).axes[0]
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [float(mark.get_xdata()[0]) for mark in marks] == [1, 2]
    assert [to_hex(mark.get_markerfacecolor()) == "#ffffff" for mark in marks] == [False, True]
    spans = [tuple(map(float, line.get_xdata())) for line in ax.lines]
    assert (0, 3) in spans
    assert (1.5, 2.5) in spans  # the single seeds
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first variant on top


def test_components_differ_in_mark_and_colour():
    ax = draw_ablation(PLANTED, LABELS).axes[0]
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert len({mark.get_marker() for mark in marks}) == 2
    assert len({mark.get_color() for mark in marks}) == 2


def test_without_a_difference_there_is_nothing_to_draw():
    with pytest.raises(ShapeError, match="no variant has a difference"):
        draw_ablation(PLANTED[PLANTED.variant == "default"], LABELS)
