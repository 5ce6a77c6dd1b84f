from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backend_bases import MouseEvent

from spfem.correlation import SpatialCoherence
from spfem.correlation.maps import correlation_map
from spfem.correlation.preprocess import images_from_frames
from spfem.errors import ShapeError
from spfem.explore import CorrelationExplorer, FacePair
from spfem.settings import SpatialSettings

SIDE = 40


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    settings = SpatialSettings(image_size=32, widths=(8, 16), blocks=(1, 1), centres=(4, 2))
    return SpatialCoherence(settings).supervise()


@pytest.fixture(scope="module")
def pairs():
    random = np.random.default_rng(0)
    faces = random.integers(0, 255, (4, SIDE, SIDE, 3), dtype=np.uint8)
    return [FacePair("one", faces[0], faces[1]), FacePair("two", faces[2], faces[3])]


@pytest.fixture
def explorer(model, pairs):
    return CorrelationExplorer(model, pairs, level=0)


def test_maps_are_those_of_the_metric(explorer, model, pairs):
    values = explorer.on_patch(3, 5)
    images = [images_from_frames(face[None]) for face in (pairs[0].first, pairs[0].second)]
    assert np.allclose(values, correlation_map(model, *images, (3, 5), 0), equal_nan=True)


def test_a_face_is_most_like_itself_at_the_same_place(model, pairs):
    same = CorrelationExplorer(model, [FacePair("same", pairs[0].first, pairs[0].first)], level=0)
    values = same.on_patch(4, 6)
    assert values[4, 6] == pytest.approx(1.0, abs=1e-5)
    assert np.nanmax(values) == pytest.approx(values[4, 6], abs=1e-5)
    assert "rank 1 of" in same.summary()


def test_changing_the_level_keeps_the_place_on_the_face(explorer):
    height, width = explorer.map_shape
    explorer.on_patch(height - 3, width // 2)
    explorer.choose(level=1)
    coarse = explorer.map_shape
    assert coarse[0] < height
    chosen = explorer.selection
    assert chosen.row == pytest.approx((height - 2.5) * coarse[0] / height - 0.5, abs=1.0)
    assert chosen.column == pytest.approx(coarse[1] / 2, abs=1.0)


def test_a_point_of_the_face_belongs_to_the_place_above_it(explorer):
    height, width = explorer.map_shape
    assert explorer.place_under(0, 0) == (1, 1)
    assert explorer.place_under(SIDE, SIDE) == (height - 2, width - 2)
    row, column = explorer.place_under((5 + 0.5) * SIDE / width, (3 + 0.5) * SIDE / height)
    assert (row, column) == (3, 5)


def test_bad_choices_are_refused(explorer, model, pairs):
    with pytest.raises(ShapeError, match="must lie in"):
        explorer.on_patch(0, 3)
    with pytest.raises(ShapeError, match="does not exist"):
        explorer.choose(level=9)
    with pytest.raises(ShapeError, match="kind must be"):
        explorer.choose(kind="cooked")
    with pytest.raises(ShapeError, match="at least one pair"):
        CorrelationExplorer(model, [])
    with pytest.raises(ShapeError, match="S, S, 3"):
        CorrelationExplorer(model, [FacePair("flat", pairs[0].first[:5], pairs[0].second)])


def test_static_figure_marks_each_place(explorer):
    figure = explorer.static_figure([(2, 2), (5, 4)])
    assert len([ax for ax in figure.axes if len(ax.patches) == 2]) == 4


def test_widget_without_a_browser_follows_controls_and_patches(explorer):
    widget = explorer.widget()
    first = widget.picture.value
    values = widget.on_patch(3, 4)
    assert (widget.row.value, widget.column.value) == (3, 4)
    assert widget.picture.value != first
    assert np.array_equal(
        widget.right.images[-1].get_array().filled(np.nan), values, equal_nan=True
    )
    widget.row.value = 5
    assert explorer.selection.row == 5
    widget.pair.value = 1
    assert np.array_equal(widget.left.images[0].get_array(), explorer.pairs[1].first)
    widget.kind.value = "raw"
    widget.level.value = 1
    assert (explorer.selection.kind, explorer.selection.level) == ("raw", 1)
    assert widget.row.max == explorer.map_shape[0] - 2
    assert widget.text.value == explorer.summary()
    assert not plt.get_fignums()


@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")
def test_widget_on_ipympl_takes_clicks_on_one_canvas(explorer):
    before = matplotlib.get_backend()
    matplotlib.use("module://ipympl.backend_nbagg")
    try:
        widget = explorer.widget()
        assert widget.takes_clicks
        x, y = widget.left.transData.transform((SIDE * 0.7, SIDE * 0.3))
        place = explorer.place_under(SIDE * 0.7, SIDE * 0.3)
        canvas = widget.figure.canvas
        event = MouseEvent("button_press_event", canvas, x, y, button=1)
        widget.figure.canvas.callbacks.process("button_press_event", event)
        assert (explorer.selection.row, explorer.selection.column) == place
        assert len(plt.get_fignums()) == 1
    finally:
        plt.close("all")
        matplotlib.use(before)
