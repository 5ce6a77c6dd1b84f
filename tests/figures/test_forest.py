from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.figures.bars import draw_bars
from spfem.figures.forest import draw_forest, forest_legend
from spfem.figures.published_curves import draw_published_curve, joined_curves
from spfem.figures.published_similarity import similarity_bars
from spfem.figures.style import new_figure
from spfem.paper import check_papers, published_logs
from spfem.paper.claims import list_claims
from spfem.paper.method_claims import GOOD_DIRECTION
from tests.paper.made_up import make_curve, make_measured


@pytest.fixture
def ax():
    return new_figure()[1][0, 0]


def ned_methods(measured, setting="intra"):
    check = check_papers(measured)
    return check[(check.part == "method") & (check.base == "NED") & (check.setting == setting)]


def marks(ax):
    """(x, y, filled) of every single mark."""
    drawn = [
        line for line in ax.lines if len(line.get_xdata()) == 1 and line.get_marker() != "None"
    ]
    return [
        (line.get_xdata()[0], line.get_ydata()[0], line.get_markerfacecolor() != "white")
        for line in drawn
    ]


def test_better_lies_to_the_right_whatever_the_metric(ax):
    rows = ned_methods(make_measured(gain=0.1))
    lines = draw_forest(ax, rows, GOOD_DIRECTION)
    assert len(lines) == 3 + 3 + 3 + 1
    filled = [mark for mark in marks(ax) if mark[2]]
    assert np.allclose([x for x, _, _ in filled], 0.1)
    assert [y for _, y, _ in filled] == list(range(len(lines)))
    published = [mark for mark in marks(ax) if not mark[2]]
    assert len(published) == len(rows)
    assert all(x > 0 for x, _, _ in published)  # every printed average is a gain


def test_intervals_that_hold_zero_are_open(ax):
    draw_forest(ax, ned_methods(make_measured(reach=0.3)), GOOD_DIRECTION)
    assert not [mark for mark in marks(ax) if mark[2]]


def test_lines_that_were_not_measured_stay(ax):
    rows = ned_methods(make_measured(methods=()))
    lines = draw_forest(ax, rows, GOOD_DIRECTION)
    assert len(lines) == 10
    assert len(marks(ax)) == len(rows)
    assert not [h for h in forest_legend(rows) if "ours" in h.get_label()]


def test_the_legend_names_the_corpus_of_ours():
    labels = [h.get_label() for h in forest_legend(ned_methods(make_measured()))]
    assert sum("ours on synthetic" in label for label in labels) == 2
    assert "STCCL, RAVDESS" in labels


def test_nothing_cannot_be_drawn(ax):
    with pytest.raises(ShapeError, match="no claim"):
        draw_forest(ax, check_papers(make_measured()).iloc[:0], GOOD_DIRECTION)


def test_curves_are_joined_in_one_definition(ax):
    logs = published_logs()
    table = joined_curves(logs, [make_curve(seed) for seed in range(2)])
    first = table[(table.of == "published") & (table.split == "train")]
    logged = logs[(logs.run == "stccl") & (logs.split == "train")]
    assert first.matched.tolist() == logged.matched.tolist()
    assert first.done.iloc[[0, -1]].tolist() == [1 / 22, 1.0]
    assert first.loss.iloc[0] == 1.0
    ours = table[(table.of == "ours") & (table.split == "held_out")]
    assert ours.matched.iloc[-1] == pytest.approx(0.9 + 1e-5 * 44 / 2)
    draw_published_curve(ax, table, "matched", "synthetic")
    assert len(ax.lines) == 4


def test_the_log_alone_can_be_drawn(ax):
    table = joined_curves(published_logs(), [])
    draw_published_curve(ax, table, "loss", "synthetic")
    assert len(ax.lines) == 2


def test_a_record_without_the_scores_is_refused():
    with pytest.raises(ShapeError, match="spatial_matched_released"):
        joined_curves(published_logs(), [make_curve(0).drop(columns="spatial_matched_released")])


def test_bars_of_similarity(ax):
    measured = make_measured()
    table = similarity_bars(check_papers(measured), measured.similarity, "synthetic")
    spatial = table[table.domain == "spatial"].set_index("of")
    assert spatial.value["published, MEAD"].tolist() == [0.02, 0.48, 0.96]
    assert spatial.value["ours, synthetic"].tolist() == [0.01, 0.5, 0.95]
    assert np.allclose(spatial.ci_high - spatial.value, [0, 0.02] * 3)
    draw_bars(ax, table[table.domain == "temporal"], group="state", series="of")
    claims = list_claims()
    with pytest.raises(ShapeError, match="overview figure"):
        similarity_bars(
            check_papers(measured, claims[claims.part != "similarity"]), None, "synthetic"
        )
