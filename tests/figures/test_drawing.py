from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spfem.drawing import (
    draw_bars,
    draw_histogram,
    draw_metric,
    draw_over_time,
    draw_similarity,
    draw_terms,
)
from spfem.errors import ShapeError
from spfem.face_plots import GAP, add_scale, draw_correlation, draw_grid, draw_strip, draw_weights
from spfem.plots import METHOD_LOOKS, new_figure
from spfem.sound_plots import draw_alignment, draw_waveform, new_alignment_figure
from tests.figures.pictures import make_face, make_similarity


@pytest.fixture
def ax():
    return new_figure()[1][0, 0]


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_grid_puts_each_picture_at_its_label(ax):
    face = make_face(20)
    dark = face // 2
    assert draw_grid(ax, [[face, dark], [None, face]], row_labels="ab", column_labels="xy") is ax
    sheet = ax.images[0].get_array()
    assert sheet.shape == (40 + GAP, 40 + GAP, 3)
    assert np.array_equal(sheet[:20, 20 + GAP :], dark)
    assert (sheet[20 + GAP :, :20] == 255).all()
    assert (texts(ax.yaxis), texts(ax.xaxis)) == (["a", "b"], ["x", "y"])


def test_grid_refuses_what_does_not_fit(ax):
    with pytest.raises(ShapeError, match="one size"):
        draw_grid(ax, [[make_face(20), make_face(24)]])
    with pytest.raises(ShapeError, match="column labels"):
        draw_grid(ax, [[make_face(20)]], column_labels="ab")


def test_rows_of_methods_bear_their_titles(ax):
    draw_grid(ax, [[make_face(20)]] * 2, row_labels=["source", "ned+stccl_vd"])
    assert texts(ax.yaxis) == ["source", "NED\n+ STCCL-VD"]


def test_strip_shows_the_same_moments(ax):
    clip = np.stack([make_face(16) + np.uint8(k) for k in range(5)])
    draw_strip(ax, {"source": clip, "edit": clip[:2]}, frames=[0, 4], fps=25)
    sheet = ax.images[0].get_array()
    assert np.array_equal(sheet[:16, 16 + GAP :], clip[4])
    assert (sheet[16 + GAP :, 16 + GAP :] == 255).all()
    assert texts(ax.xaxis) == ["0.00 s", "0.16 s"]


def test_mesh_and_dots_lie_in_frame_pixels(ax):
    points = np.array([[10.0, 20.0], [30, 20], [20, 40]])
    draw_mesh(ax, make_face(), points)
    draw_mesh(ax, make_face(), points, np.array([[0, 1, 2]]))
    assert ax.get_xlim() == (0, 64)
    assert ax.get_ylim() == (64, 0)
    assert np.array_equal(ax.lines[0].get_xydata(), points)


def test_correlation_map_covers_the_face_and_marks_its_place(ax):
    values = np.full((8, 8), np.nan)
    values[1:-1, 1:-1] = np.linspace(-1, 1, 36).reshape(6, 6)
    draw_correlation(ax, make_face(), values, (2, 5))
    assert ax.images[-1].get_extent() == [0, 64, 64, 0]
    assert ax.images[-1].get_clim() == (-1, 1)
    assert ax.patches[0].get_bbox().bounds == (40, 16, 8, 8)
    assert ax.get_xlabel() == f"(2, 5): {values[2, 5]:.2f}"
    add_scale(ax, "similarity")
    assert ax.figure.axes[-1].get_ylabel() == "similarity"


def test_weight_scale_starts_at_one(ax):
    draw_weights(ax, make_face(), np.full((4, 4), 1.4))
    assert ax.images[-1].get_clim() == (1.0, 1.4)
    with pytest.raises(ShapeError, match="h, w"):
        draw_weights(ax, make_face(), np.ones((1, 4, 4)))


def test_similarity_bars_have_the_values_and_intervals(ax):
    draw_similarity(ax, make_similarity(), metric="spatial", split="held_out")
    heights = [bar.get_height() for container in ax.containers[1::2] for bar in container]
    assert heights == [0.5, 0.2, 0.9, 0.0]
    segment = ax.containers[0].lines[2][0].get_segments()[0]
    assert np.allclose(segment[:, 1], (0.45, 0.55))
    assert texts(ax.xaxis) == ["matched", "other place"]


def test_bars_refuse_double_rows(ax):
    table = pd.concat([make_similarity()] * 2)
    with pytest.raises(ShapeError, match="one row for each"):
        draw_bars(ax, table, group="quantity", series="state")


def test_metric_bars_of_a_missing_value_leave_a_gap(ax):
    rows = [
        ("csim", "dlib-128", emotion, method, value, value, value)
        for emotion, method, value in (
            ("sad", "ned", 0.5),
            ("happy", "ned", np.nan),
            ("sad", "copy", 1.0),
            ("happy", "copy", 1.0),
        )
    ]
    columns = ["metric", "backbone", "emotion", "method", "value", "ci_low", "ci_high"]
    draw_metric(ax, pd.DataFrame(rows, columns=columns), "csim")
    assert texts(ax.xaxis) == ["sad", "happy"]
    assert "CSIM" in ax.get_ylabel()
    assert ax.get_legend_handles_labels()[1] == ["NED", "copy"]


def test_histogram_names_the_means(ax):
    draw_histogram(ax, {"a": [0.0, 1.0], "b": np.array([1.0, 2.0])}, label="score")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a (0.50)", "b (1.50)"]


def test_curves_are_smoothed_beside_the_raw_ones(ax):
    table = pd.DataFrame({"step": range(5), "loss": [1.0, 0, 1, 0, 1]})
    draw_curves(ax, table, ["loss"], smoothing=3)
    assert ax.lines[0].get_ydata().tolist() == [1, 0, 1, 0, 1]
    assert ax.lines[1].get_ydata()[1] == pytest.approx(2 / 3)
    with pytest.raises(ShapeError, match="no column gain"):
        draw_curves(ax, table, ["gain"])


def test_terms_show_the_methods_that_have_them():
    curves = {
        "ned": pd.DataFrame({"step": [1, 2], "cycle": [3.0, 4]}),
        "ned+all": pd.DataFrame({"step": [1, 2], "cycle": [5.0, 6], "metric": [7.0, 8]}),
    }
    figure = draw_terms(curves, columns=3)
    cycle, metric, empty = figure.axes
    assert [line.get_ydata().tolist() for line in cycle.lines[:2]] == [[3, 4], [5, 6]]
    assert [line.get_color() for line in metric.lines] == [METHOD_LOOKS["ned+all"].colour]
    assert not empty.get_visible()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["NED", "NED + all"]
    with pytest.raises(ShapeError, match="no term"):
        draw_terms({"ned": pd.DataFrame({"step": [1]})})


def test_curves_over_time_are_in_seconds(ax):
    draw_over_time(ax, {"truth": np.arange(4.0)}, fps=2, label="opening")
    assert ax.lines[0].get_xdata().tolist() == [0, 0.5, 1, 1.5]


def test_alignment_shares_seconds_between_path_and_waveforms():
    _, axes = new_alignment_figure()
    audio = np.sin(np.arange(16000) / 50).astype(np.float32)
    path = np.stack([np.arange(25), np.arange(25)], axis=1)
    cost = np.abs(np.arange(25)[:, None] - np.arange(25))
    drawn = draw_alignment(
        axes, audio, audio, path, cost, sample_rate=16000, fps=25, truth=path[::2]
    )
    assert drawn is axes
    assert np.allclose(axes.cost.lines[1].get_xdata()[[0, -1]], (0.02, 0.98))
    assert axes.first.get_ylim() == axes.cost.get_ylim() == (0, 1)
    assert axes.second.get_xlim() == axes.cost.get_xlim() == (0, 1)
    with pytest.raises(ShapeError, match="path must be"):
        draw_alignment(axes, audio, audio, path + 5, cost, sample_rate=16000, fps=25)


def test_waveform_takes_audio_shorter_than_the_picture(ax):
    draw_waveform(ax, np.ones(10, np.float32), 10)
    assert ax.get_xlim() == (0, 1)
