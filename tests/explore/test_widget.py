from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from spfem.errors import InputError
from spfem.explore.controls import Controls
from tests.browser.made_up import MadeUpClips, make_explorer

pytestmark = pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")


@pytest.fixture(scope="module")
def made():
    return make_explorer().widget()


@pytest.fixture
def widget(made):
    """One widget for all tests, since making one takes longest, as if it were new."""
    made.choose(
        source="made up", first_emotion="neutral", second_emotion="happy", metric="spatial",
        level=0, frame=4, row=3, column=3, temperature=None, threshold=-1.0, show_weights=False,
    )  # fmt: skip
    made.canvas.__dict__.pop("send_binary", None)
    return made


@pytest.fixture
def explorer(widget):
    return widget.explorer


def press(widget, ax, x, y):
    """What ipympl's page sends for a click at data (x, y) of axes."""
    canvas = widget.canvas
    across, up = ax.transData.transform((x, y))
    event = {"type": "button_press", "x": across, "y": canvas.figure.bbox.height - up}
    canvas._handle_message(canvas, {**event, "button": 0, "buttons": 1, "modifiers": []}, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame", 7),
        ("mismatch_frames", 1),
        ("metric", "raw"),
        ("level", 1),
        ("row", 2),
        ("column", 6),
        ("threshold", 0.2),
        ("show_weights", True),
        ("first_emotion", "angry"),
        ("second_emotion", "angry"),
    ],
)
def test_a_control_changes_selection_picture_and_words_once(widget, explorer, name, value):
    sent, before = [], widget.text.value
    widget.canvas.send_binary = sent.append
    widget.controls.widgets[name].value = value
    assert getattr(explorer.selection, name) == value
    assert len(sent) == 1
    assert widget.message.value == ""
    if name not in ("threshold", "show_weights"):
        assert widget.text.value != before
    assert widget.canvas.picture.view.selection == explorer.selection


def test_temperature_counts_only_for_probabilities(widget, explorer):
    slider = widget.controls.widgets["temperature"]
    assert slider.disabled
    slider.value = 0.5
    assert explorer.selection.temperature is None
    widget.controls.as_probability.value = True
    assert explorer.selection.temperature == 0.5
    slider.value = 0.05
    assert explorer.selection.temperature == 0.05
    assert widget.canvas.picture.view.quantity == "probability"


def test_sliders_end_where_the_clips_and_the_map_end(widget, explorer):
    look = widget.controls.widgets
    widget.choose(level=1, first_emotion="angry")
    height, width = explorer.map_shape
    assert (look["row"].max, look["column"].max) == (height - 2, width - 2)
    assert look["frame"].max == widget.controls.play.max == explorer.frame_count - 1
    longest = look["frame"].max
    widget.choose(level=0, first_emotion="neutral")
    assert look["frame"].max == len(explorer.pair.first.faces) - 1 != longest


def test_a_click_on_any_face_chooses_the_place_under_it(widget, explorer):
    height, width = explorer.map_shape
    side = explorer.pair.first.faces.shape[1]
    for number, ax in enumerate(widget.canvas.picture.faces.axes.values()):
        row, column = 2 + number, 6 - number
        press(widget, ax, (column + 0.5) * side / width, (row + 0.5) * side / height)
        assert (explorer.selection.row, explorer.selection.column) == (row, column)
        assert widget.controls.widgets["row"].value == row
        assert f"row {row}" in widget.text.value


def test_a_click_on_the_matrix_chooses_the_frame_of_its_row(widget, explorer):
    press(widget, widget.canvas.picture.moments.matrices[0].ax, 3.2, 7.9)
    assert explorer.selection.frame == widget.controls.widgets["frame"].value == 8


def test_clicks_beside_everything_change_nothing(widget, explorer):
    before = explorer.selection
    press(widget, widget.canvas.picture.waves.ax, 0.1, 0.0)
    canvas = widget.canvas
    event = {"type": "button_press", "x": 1, "y": 1, "button": 0, "buttons": 1, "modifiers": []}
    canvas._handle_message(canvas, event, [])
    assert explorer.selection == before


def test_a_failure_is_told_and_undone(widget, explorer, monkeypatch):
    before, words = explorer.selection, widget.text.value

    def fail():
        raise RuntimeError("<out of memory>")

    monkeypatch.setattr(explorer, "view", fail)
    widget.controls.widgets["frame"].value = 1
    assert "RuntimeError: &lt;out of memory&gt;" in widget.message.value
    monkeypatch.undo()
    assert explorer.selection == before
    assert widget.controls.widgets["frame"].value == before.frame
    assert widget.text.value == words
    widget.controls.widgets["frame"].value = 1
    assert (explorer.selection.frame, widget.message.value) == (1, "")


def test_own_clips_are_loaded_by_the_button(widget, explorer, monkeypatch):
    asked = []

    def open_them(first, second):
        asked.append((first, second))
        return MadeUpClips()

    monkeypatch.setattr(explorer, "_open_own_clips", open_them)
    for field, name in zip(widget.own_clips.fields, ("one.mp4", " ~/two.mp4 "), strict=True):
        field.value = name
    widget.own_clips.button.click()
    assert asked == [(Path("one.mp4"), Path("~/two.mp4").expanduser())]
    assert explorer.selection.source == "own clips"
    assert widget.controls.widgets["source"].value == "own clips"
    widget.choose(source="made up")


def test_trouble_with_own_clips_stays_readable(widget, explorer, monkeypatch):
    def refuse(first, second):
        raise InputError(f"{first} has no sound")

    monkeypatch.setattr(explorer, "_open_own_clips", refuse)
    widget.own_clips.fields[0].value = widget.own_clips.fields[1].value = "mute.mp4"
    widget.own_clips.button.click()
    assert "mute.mp4 has no sound" in widget.message.value
    assert explorer.selection.source == "made up"


def test_the_export_button_writes_and_names_the_files(widget, tmp_path):
    widget.exports.folder.value = str(tmp_path / "views")
    widget.exports.button.click()
    written = sorted((tmp_path / "views").iterdir())
    assert [path.suffix for path in written] == [".json", ".pdf", ".png"]
    assert all(str(path) in widget.exports.written.value for path in written)
    assert not plt.get_fignums()


def test_controls_that_need_places_rest_without_them(widget, explorer, monkeypatch):
    view = explorer.view()
    blank = dict.fromkeys(("within", "matched", "mismatched"))
    sound = np.ones(view.moments.shape)
    without = replace(view, has_places=False, moments_of_sound=sound, **blank)
    monkeypatch.setattr(type(explorer), "has_places", property(lambda _: False))
    monkeypatch.setattr(explorer, "view", lambda: without)
    widget.choose(frame=3)
    look = widget.controls.widgets
    assert all(look[name].disabled for name in ("level", "row", "column", "threshold"))
    assert not look["frame"].disabled
    before = explorer.selection
    press(widget, widget.canvas.picture.faces.axes["chosen"], 9, 9)
    assert explorer.selection == before


def test_every_control_says_what_it_does():
    controls = Controls()
    for widget in (*controls.widgets.values(), controls.as_probability, controls.play):
        assert widget.description
        assert widget.tooltip
        assert any(name.startswith("spfem-explorer-") for name in widget._dom_classes)


def test_the_output_without_a_kernel_says_what_is_missing_and_leaves_no_figure(widget):
    data = widget._repr_mimebundle_()
    assert "static_figure" in data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert not plt.get_fignums()
    assert widget.canvas.get_state()["_data_url"].startswith("data:image/png;base64,")
