"""What is drawn equals the table: bars, distributions, curves, matrices, pictures, sound."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from studies.drawing import (
    QUANTITY_LABELS,
    draw_all_similarities,
    draw_bars,
    draw_histogram,
    draw_learning,
    draw_metric,
    draw_over_time,
    draw_retrieval,
    draw_similarity,
    draw_terms,
)
from studies.moved_pixels import METRICS, ROWS
from studies.pictures import (
    GAP,
    draw_correlation,
    draw_grid,
    draw_matrices,
    draw_strip,
    draw_weights,
)
from studies.sound_plots import (
    draw_alignment,
    draw_spectrogram,
    draw_waveform,
    new_alignment_figure,
)
from studies.videos import draw_moved_pixels

from spfem.errors import ShapeError
from spfem.picture_plots import add_scale, draw_matrix
from spfem.plots import METHOD_LOOKS, new_figure
from tests.figures.pictures import make_face, make_similarity


@pytest.fixture
def ax():
    return new_figure()[1][0, 0]


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def bars(ax):
    """(middle, height) of the bars, from the left."""
    return sorted(
        (bar.get_x() + bar.get_width() / 2, bar.get_height())
        for bar in ax.patches
        if bar.get_width()
    )


def test_bars_have_the_values_intervals_and_numbers(ax):
    table = make_similarity()
    draw_similarity(ax, table, metric="spatial", split="held_out")
    places, heights = zip(*bars(ax), strict=True)
    assert heights == (0.5, 0.9, 0.2)  # a bar of 0 has no size
    places, heights = (*places, 1.2), (*heights, 0.0)
    spans = np.concatenate([drawn.get_segments() for drawn in ax.collections])
    spans = spans[spans[:, 0, 0].argsort()]
    assert np.allclose(spans[:, 0, 0], places)
    assert np.allclose(spans[:, :, 1], np.add.outer(heights, (-0.05, 0.05)))
    numbers = {round(text.xy[0], 6): text.get_text() for text in ax.texts}
    assert [numbers[round(place, 6)] for place in places] == ["0.50", "0.90", "0.20", "0.00"]
    assert texts(ax.xaxis) == ["matched", "other place"]
    assert {bar.get_hatch() for bar in ax.patches} == {"", "///"}
    assert ax.get_legend_handles_labels()[1] == ["before", "after"]


def test_methods_are_bars_and_missing_values_gaps_on_shared_axes():
    columns = ["method", "metric", "backbone", "emotion", "value", "ci_low", "ci_high"]
    rows = [
        (method, "csim", "dlib-128", emotion, value, value, value)
        for emotion, method, value in (
            ("sad", "ned", 0.5), ("happy", "ned", np.nan), ("sad", "copy", 1.0),
            ("happy", "copy", 0.7), ("sad", "truth", 0.0),
        )
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    _, axes = new_figure(2, 1, sharex=True)
    for ax, labelled in zip(axes.flat, (False, True), strict=True):
        draw_metric(ax, table, "csim")
        assert np.allclose(bars(ax), [(-0.8 / 3, 0.5), (0, 1.0), (1, 0.7)])
        assert ax.xaxis.get_tick_params()["labelbottom"] == labelled
        assert ax.get_legend_handles_labels()[1] == ["NED", "copy", "truth"]  # also the one at 0
    assert texts(ax.xaxis) == ["sad", "happy"]
    assert "CSIM" in ax.get_ylabel()
    for wrong in (pd.concat([table] * 2), table.iloc[:0]):
        with pytest.raises(ShapeError, match="one row for each"):
            draw_bars(ax, wrong, group="emotion", series="method")


def test_similarities_retrieval_and_moved_pixels_draw_their_columns():
    ends = {"split": "held_out", "ci_low": 0.0, "ci_high": 0.9}
    rows = [
        {"metric": metric, "state": "after", "quantity": quantity, "value": 0.1 * number, **ends}
        for number, quantity in enumerate(QUANTITY_LABELS, 1)
        for metric in ("spatial", "temporal_vd")
    ]
    _, axes = new_figure(5, 1)
    draw_all_similarities(axes[:4, 0], pd.DataFrame(rows), split="held_out")
    for number, ax in enumerate(axes[:4, 0], 1):
        assert np.allclose([height for _, height in bars(ax)], [0.1 * number] * 2)
    row = {"query": "audio", "target": "image", "state": "after", "chance_at_1": 0.05, **ends}
    found = pd.DataFrame([row | {"recall_at_1": 0.4}, row | {"split": "train", "recall_at_1": 1}])
    ax = draw_retrieval(axes[4, 0], found, split="held_out")
    assert bars(ax) == [(0, 0.4)]
    assert texts(ax.xaxis) == ["audio\n→ image"]
    assert any(np.allclose(line.get_ydata(), 0.05) for line in ax.lines)
    moved = [
        {"row": row, "metric": metric, "value": 1.0 + place, "ci_low": 0.0, "ci_high": 20.0}
        for place, row in enumerate(ROWS)
        for metric in METRICS
    ]
    figure = draw_moved_pixels(pd.DataFrame(moved), ROWS)
    values = {row: 1.0 + place for place, row in enumerate(ROWS)}
    levels = {values.pop("copy"), values.pop("truth")}  # lines
    for ax in figure.axes:
        assert sorted(height for _, height in bars(ax)) == sorted(values.values())
        assert levels <= {line.get_ydata()[0] for line in ax.lines}
    with pytest.raises(ShapeError, match="habit"):
        draw_moved_pixels(pd.DataFrame(moved), {k: v for k, v in ROWS.items() if k != "habit"})


def test_grids_put_each_picture_at_its_label():
    face, (_, axes) = make_face(20), new_figure(1, 2)
    clip = np.stack([face // (1 + k) for k in range(5)])
    rows = {"row_labels": ["a", "ned+stccl_vd"], "column_labels": "xy"}
    ax = draw_grid(axes[0, 0], [[face, clip[1]], [None, face]], **rows)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (40 + GAP, 40 + GAP, 3)
    assert np.array_equal(sheet[:20, 20 + GAP :], clip[1])
    assert (sheet[20 + GAP :, :20] == 255).all()
    assert (texts(ax.yaxis), texts(ax.xaxis)) == (["a", "NED\n+ STCCL-VD"], ["x", "y"])
    ax = draw_strip(axes[0, 1], {"source": clip, "edit": clip[:2]}, frames=[0, 4], fps=25)
    sheet = ax.images[0].get_array()
    assert np.array_equal(sheet[:20, 20 + GAP :], clip[4])
    assert (sheet[20 + GAP :, 20 + GAP :] == 255).all()
    assert texts(ax.xaxis) == ["0.00 s", "0.16 s"]
    with pytest.raises(ShapeError, match="one size"):
        draw_grid(ax, [[face, make_face(24)]])
    with pytest.raises(ShapeError, match="column labels"):
        draw_grid(ax, [[face]], column_labels="ab")


def test_histogram_has_the_densities_and_names_the_means(ax):
    draw_histogram(ax, {"a": [0.0, 0.0, 1.5], "b": np.array([1.2, 2.0])}, label="score", bins=2)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a (0.50)", "b (1.60)"]
    tops = [drawn.get_paths()[0].vertices[:, 1].max() for drawn in ax.collections]
    assert np.allclose(tops, [2 / 3, 1.0], atol=1e-6)  # both of b from 1 to 2; 2 of 3 of a below 1


def test_splits_and_held_out_columns_of_a_record(tmp_path):
    rows = [
        {"step": step, "split": split, "loss": step + (split == "held_out"), "positive": 2 * step,
         "negative": 3 * step}
        for step in (10, 20)
        for split in ("held_out", "train")
    ]  # fmt: skip
    path = tmp_path / "curve.json"
    path.write_text(json.dumps(rows))
    _, axes = new_figure(1, 2)
    lines = draw_learning(axes[0, 0], path).lines[:2]
    assert [list(line.get_ydata()) for line in lines] == [[10, 20], [11, 21]]
    assert axes[0, 0].get_legend_handles_labels()[1] == ["train", "held out"]
    lines = draw_learning(axes[0, 1], path, ["positive", "negative"]).lines[:2]
    assert [list(line.get_ydata()) for line in lines] == [[20, 40], [30, 60]]
    with pytest.raises(ShapeError, match="no column gain"):
        draw_learning(axes[0, 0], path, ["gain"])
    with pytest.raises(ShapeError, match="told apart"):
        draw_learning(axes[0, 0], path, ["loss"] * 9)


def test_terms_show_the_methods_that_have_them():
    curves = {
        "ned": pd.DataFrame({"step": [1, 2, 3], "cycle": [3.0, 4, 8]}),
        "ned+all": pd.DataFrame({"step": [1, 2], "cycle": [5.0, 6], "metric": [7.0, 8]}),
    }
    cycle, metric = draw_terms(curves, columns=3).axes
    assert [line.get_ydata().tolist() for line in cycle.lines] == [[3, 4, 8], [5, 6]]
    assert [to_hex(line.get_color()) for line in metric.lines] == [METHOD_LOOKS["ned+all"].colour]
    figure = draw_terms(curves, smoothing=3)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [3.5, 5, 6]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["NED", "NED + all"]
    with pytest.raises(ShapeError, match="no term"):
        draw_terms({"ned": pd.DataFrame({"step": [1]})})


def test_curves_over_time_are_in_seconds_and_keep_gaps(ax):
    draw_over_time(ax, {"truth": [0, 1.0, np.nan, 3], "ned": [1.0]}, fps=2, label="opening")
    assert np.array_equal(ax.lines[0].get_xdata(), [0, 0.5, np.nan, 1.5], equal_nan=True)
    assert [to_hex(line.get_color()) for line in ax.lines[:2]] == [
        METHOD_LOOKS[name].colour for name in ("truth", "ned")
    ]


def test_matrix_has_its_values_numbers_and_marked_path(ax):
    values, path = np.arange(12.0).reshape(3, 4), np.array([[0, 0], [1, 2], [2, 3]])
    draw_matrix(ax, values, rows="neutral", columns="happy", path=path, decimals=0)
    np.testing.assert_array_equal(ax.collections[0].get_array(), values)
    assert ax.collections[0].get_clim() == (0, 11)
    assert ax.get_ylim() == (3, 0)
    assert [text.get_text() for text in ax.texts] == [str(value) for value in range(12)]
    np.testing.assert_array_equal(ax.lines[-1].get_xydata(), path[:, ::-1] + 0.5)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("neutral", "happy")


def test_matrices_share_one_scale_unless_told_not_to():
    table = pd.DataFrame(np.full((2, 2), 5.0), ["i", "j"], ["k", "l"])
    matrices = {"audio": np.zeros((2, 2)), "expression": table}
    for shared, limits in ((True, [(0, 5), (0, 5)]), (False, [(0, 0), (5, 5)])):
        _, axes = new_figure(1, 2)
        draw_matrices(axes[0], matrices, rows="r", columns="c", shared=shared)
        found = [(ax.collections[0].norm.vmin, ax.collections[0].norm.vmax) for ax in axes[0]]
        assert found == limits
    assert axes[0, 1].get_ylabel() == ""
    assert (texts(axes[0, 1].yaxis), texts(axes[0, 1].xaxis)) == (["i", "j"], ["k", "l"])
    with pytest.raises(ShapeError, match="matrix must be"):
        draw_matrix(axes[0, 0], np.zeros(3), rows="r", columns="c")
    with pytest.raises(ShapeError, match="leaves the matrix"):
        draw_matrix(axes[0, 0], np.zeros((2, 2)), rows="r", columns="c", path=np.array([[0, 2]]))
    with pytest.raises(ShapeError, match="as many axes"):
        draw_matrices(axes[0, :1], matrices, rows="r", columns="c")


def test_maps_cover_the_face_and_mark_their_place(ax):
    values = np.full((8, 8), np.nan)
    values[1:-1, 1:-1] = np.linspace(-1, 1, 36).reshape(6, 6)
    draw_correlation(ax, make_face(), values, (2, 5))
    assert np.allclose(ax.images[0].get_array(), make_face().mean(axis=2))  # grey below
    assert ax.images[-1].get_extent() == [0, 64, 64, 0]
    assert ax.images[-1].get_clim() == (-1, 1)
    assert ax.patches[0].get_bbox().bounds == (40, 16, 8, 8)
    assert ax.get_xlabel() == f"(2, 5): {values[2, 5]:.2f}"
    add_scale(ax, "similarity")
    assert ax.figure.axes[-1].get_ylabel() == "similarity"
    draw_weights(ax, make_face(), np.full((4, 4), 1.4))
    assert ax.images[-1].get_clim() == (1.0, 1.4)
    with pytest.raises(ShapeError, match="h, w"):
        draw_weights(ax, make_face(), np.ones((1, 4, 4)))


def test_alignment_shares_seconds_between_path_and_waveforms():
    _, axes = new_alignment_figure()
    audio = np.sin(np.arange(16000) / 50).astype(np.float32)
    path = np.stack([np.arange(25), np.arange(25)], axis=1)
    cost, rates = np.abs(np.arange(25)[:, None] - np.arange(25)), {"sample_rate": 16000, "fps": 25}
    assert draw_alignment(axes, audio, audio, path, cost, truth=path[::2], **rates) is axes
    assert np.allclose(axes.cost.lines[1].get_xdata()[[0, -1]], (0.02, 0.98))
    assert axes.first.get_ylim() == axes.cost.get_ylim() == (0, 1)
    assert axes.second.get_xlim() == axes.cost.get_xlim() == (0, 1)
    with pytest.raises(ShapeError, match="path must be"):
        draw_alignment(axes, audio, audio, path + 5, cost, **rates)


def test_waveform_and_spectrogram_show_the_planted_tone_in_its_seconds():
    _, axes = new_figure(1, 3)
    seconds = np.arange(16000) / 16000
    tone = np.where(seconds < 0.5, 0, 0.4 * np.sin(2 * np.pi * 1000 * seconds)).astype(np.float32)
    draw_waveform(axes[0, 0], tone, 16000)
    envelope = axes[0, 0].collections[0].get_paths()[0].vertices
    assert envelope[:, 1].max() == pytest.approx(0.4, abs=0.01)
    assert np.abs(envelope[envelope[:, 0] < 0.49, 1]).max() == 0
    assert axes[0, 0].get_xlim() == (0, 1)
    mesh = draw_spectrogram(axes[0, 1], tone, 16000).collections[0]
    decibels, hertz = mesh.get_array(), mesh.get_coordinates()[:, 0, 1]
    band = decibels.mean(axis=1).argmax()
    assert hertz[band - 1] < 1000 < hertz[band + 2]
    assert decibels.max() == 0
    assert decibels[:, : decibels.shape[1] // 3].max() < -50
    assert draw_waveform(axes[0, 2], np.ones(10, np.float32), 10).get_xlim() == (0, 1)  # short
