"""Differences against zero: the values and intervals drawn, and which marks are filled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from studies.audit_run import draw_clip_differences
from studies.degradations import NONE
from studies.interval_plots import (
    UNHARMED,
    by_strength,
    draw_ablation,
    draw_degradations,
    draw_differences,
    draw_method_differences,
)

from spfem.errors import ShapeError
from spfem.plots import METHOD_LOOKS, new_figure

LABELS = {"auc": "AUC ↑", "gap": "gap ↑"}


@pytest.fixture
def ax():
    return new_figure()[1][0, 0]


def marks(ax):
    """(x, y, face, edge) of the marks, from above."""
    found = [
        (*place, to_hex(face), to_hex(edge))
        for dots in ax.collections[-1:]
        for place, face, edge in zip(
            dots.get_offsets().tolist(), dots.get_facecolors(), dots.get_edgecolors(), strict=True
        )
    ]
    return sorted(found, key=lambda mark: mark[1])


def spans(ax):
    """Row to the ends of its interval."""
    lines = [drawn for drawn in ax.collections if isinstance(drawn, LineCollection)]
    return {part[0, 1]: tuple(part[:, 0]) for drawn in lines for part in drawn.get_segments()}


def names(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def test_values_intervals_and_fill(ax):
    table = pd.DataFrame(
        {
            "metric": ["spatial", "spatial"],
            "defect": ["scalar_weight", "wrapping_region"],
            "quantity": ["matched", "speech_auc"],
            "difference": [0.1, -0.02],
            "ci_low": [0.05, -0.06],
            "ci_high": [0.15, 0.03],
        },
        index=[7, 3],
    )
    draw_differences(ax, table)
    assert spans(ax) == {0: (0.05, 0.15), 1: (-0.06, 0.03)}
    (x, _, face, edge), (other_x, _, other_face, _) = marks(ax)
    assert (x, other_x) == (0.1, -0.02)
    assert face == edge != "#ffffff" == other_face
    assert names(ax) == ["scalar weight: matched", "wrapping region: speech auc"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # first row at the top
    assert not ax.figure.legends
    with pytest.raises(ShapeError, match="no row"):
        draw_differences(ax, pd.DataFrame())


def test_methods_keep_their_look_and_show_their_seeds(ax):
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
    draw_method_differences(ax, table, "mouth_error")
    assert spans(ax) == {0: (-1.5, -0.5), 1: (-0.1, 0.6)}
    seeds = [dots for dots in ax.collections[:-1] if isinstance(dots, PathCollection)]
    assert [dots.get_offsets().tolist() for dots in seeds] == [[[-1.2, 0]], [[-0.8, 0]]]
    filled, other = marks(ax)
    assert filled[2] == filled[3] == METHOD_LOOKS["ned+asccl"].colour
    assert other[2:] == ("#ffffff", METHOD_LOOKS["ned+all"].colour)
    assert names(ax) == ["NED + ASCCL", "NED + all"]
    with pytest.raises(ShapeError, match="one row a method; got none"):
        draw_method_differences(ax, table, "fad")


def variants(*planted):
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


def test_one_panel_a_quantity_and_one_line_a_variant_that_is_compared():
    table = variants(
        ("default", "", "", False),
        ("fewer", "places", "default", True),
        ("alone", "levels", "NED", False),
    )
    figure = draw_ablation(table, LABELS)
    assert [ax.get_xlabel() for ax in figure.axes] == ["Δ AUC ↑", "Δ gap ↑"]
    first, second = figure.axes
    assert names(first) == ["fewer", "alone (to NED)"]
    assert not second.yaxis.get_tick_params()["labelleft"]
    for ax in (first, second):
        assert spans(ax) == {0: (0, 3), 1: (1, 4)}
        filled, other = marks(ax)
        assert (filled[0], other[0]) == (1, 2)
        assert (filled[2] == filled[3], other[2]) == (True, "#ffffff")
        assert filled[3] != other[3]  # components differ
    shapes = {tuple(path.vertices.shape) for path in first.collections[-1].get_paths()}
    assert len(shapes) == 2
    with pytest.raises(ShapeError, match="no variant has a difference"):
        draw_ablation(table[table.variant == "default"], LABELS)


def test_degradations_are_shares_of_the_worst_in_order_of_strength(ax):
    rows = [
        (name, "csim", "dlib-128", worse, low, high)
        for name, worse, low, high in (
            (UNHARMED, 0, 0, 0), ("10 frames late", 0.4, 0.2, 0.6), ("2 frames late", 0.1, -1, 1),
            ("blur", -0.2, -0.3, -0.1),
        )
    ]  # fmt: skip
    columns = ["degradation", "metric", "backbone", "worse_by", "ci_low", "ci_high"]
    draw_degradations(ax, pd.DataFrame(rows, columns=columns))
    order = [text.get_text() for text in ax.get_xticklabels()]
    assert order == sorted(order, key=by_strength) == ["2 frames late", "10 frames late", "blur"]
    assert np.allclose(ax.collections[0].get_array(), [[0.25, 1, -0.5]])
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["○"]
    assert UNHARMED == NONE


def test_clips_and_means_stand_in_the_row_of_their_method(ax):
    clips = pd.DataFrame(
        {
            "method": ["ned+asccl", "ned", "ned", "ned"],
            "driven_by": ["reference", "label", "reference", "label"],
            "metric": ["csim", "csim", "csim", "flicker"],
            "difference": [3.0, 1.0, 2.0, 9.0],
        }
    )
    summary = pd.DataFrame(
        {
            "method": ["ned", "ned+asccl"], "metric": "csim", "difference": [1.5, 3.0],
            "ci_low": [1.0, 2.5], "ci_high": [2.0, 3.5],
        }
    )  # fmt: skip
    draw_clip_differences(ax, clips, summary, "csim")
    assert names(ax) == ["NED + ASCCL", "NED"]
    assert spans(ax) == {0: (2.5, 3.5), 1: (1.0, 2.0)}
    *dots, means = [drawn for drawn in ax.collections if isinstance(drawn, PathCollection)]
    assert sorted(means.get_offsets().tolist()) == [[1.5, 1], [3.0, 0]]
    places = np.concatenate([drawn.get_offsets() for drawn in dots])
    assert {(x, round(y)) for x, y in places} == {(3, 0), (1, 1), (2, 1)}
    assert ax.get_legend_handles_labels()[1] == ["label-driven", "reference-driven"]
