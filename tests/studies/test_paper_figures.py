from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from studies.drawing import draw_bars
from studies.paper_check import check_papers
from studies.paper_claims import GOOD_DIRECTION, list_claims, published_logs
from studies.paper_figures import (
    draw_forest,
    draw_published_curve,
    forest_legend,
    joined_curves,
    similarity_bars,
)

from spfem.errors import ShapeError
from spfem.plots import new_figure
from tests.studies.paper_tables import make_curve, make_measured


@pytest.fixture
def ax():
    return new_figure()[1][0, 0]


def ned_methods(measured, setting="intra"):
    check = check_papers(measured)
    return check[(check.part == "method") & (check.base == "NED") & (check.setting == setting)]


def marks(ax):
    """(x, y, filled) of ours and of the published marks, from above."""
    *others, ours = [dots for dots in ax.collections if isinstance(dots, PathCollection)]
    found = []
    for dots in ([ours], others):
        rows = [
            (x, y, to_hex(face) != "#ffffff")
            for each in dots
            for (x, y), face in zip(each.get_offsets().tolist(), each.get_facecolors(), strict=True)
        ]
        found.append(sorted(rows, key=lambda row: row[1]))
    return found


def test_better_lies_to_the_right_whatever_the_metric(ax):
    rows = ned_methods(make_measured(gain=0.1))
    lines = draw_forest(ax, rows, GOOD_DIRECTION)
    assert len(lines) == 3 + 3 + 3 + 1
    ours, published = marks(ax)
    assert np.allclose([x for x, _, _ in ours], 0.1)
    assert all(filled for _, _, filled in ours)
    assert [y for _, y, _ in ours] == list(range(len(lines)))
    assert len(published) == len(rows)
    assert not any(filled for _, _, filled in published)
    assert all(x > 0 for x, _, _ in published)  # every printed average is a gain


def test_intervals_that_hold_zero_are_open(ax):
    draw_forest(ax, ned_methods(make_measured(reach=0.3)), GOOD_DIRECTION)
    ours, _ = marks(ax)
    assert ours
    labels = [h.get_label() for h in forest_legend(ned_methods(make_measured()))]
    assert sum("ours on synthetic" in label for label in labels) == 2
    assert "STCCL, RAVDESS" in labels
    with pytest.raises(ShapeError, match="no claim"):
        draw_forest(ax, check_papers(make_measured()).iloc[:0], GOOD_DIRECTION)
    assert not any(filled for _, _, filled in ours)


def test_lines_that_were_not_measured_stay(ax):
    rows = ned_methods(make_measured(methods=()))
    lines = draw_forest(ax, rows, GOOD_DIRECTION)
    assert len(lines) == 10
    dots = [drawn for drawn in ax.collections if isinstance(drawn, PathCollection)]
    assert sum(len(each.get_offsets()) for each in dots) == len(rows)
    assert not [h for h in forest_legend(rows) if "ours" in h.get_label()]


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
    draw_published_curve(ax, joined_curves(logs, []), "loss", "synthetic")  # the log alone
    assert len(ax.lines) == 4 + 2
    with pytest.raises(ShapeError, match="spatial_matched_released"):
        joined_curves(logs, [make_curve(0).drop(columns="spatial_matched_released")])


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
