from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from spfem.errors import ShapeError
from spfem.explore.canvas import ExplorerCanvas
from spfem.explore.layout import FACE_BOXES, HEIGHT, WIDTH, cut, fractions
from spfem.explore.picture import ExplorerPicture
from spfem.explore.pixels import Pixels, colour_values
from spfem.explore.static import draw_static
from spfem.explore.wave_panel import outline
from tests.browser.made_up import make_clip, make_explorer

pytestmark = pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")

CHANGES = (
    {"frame": 2},
    {"row": 2, "column": 5},
    {"threshold": 0.999},
    {"temperature": 0.1, "threshold": -1.0},
    {"show_weights": True},
    {"level": 0},
    {"mismatch_frames": -2},
    {"metric": "raw"},
    {"second_emotion": "angry", "temperature": None},
)


@pytest.fixture(scope="module")
def explorer():
    return make_explorer()


def pixels_of(canvas):
    return np.asarray(canvas.buffer_rgba()).copy()


def draw_pixels(width, height, picture, over=None, smooth=False):
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    artist = Pixels(ax, smooth=smooth)
    artist.set_picture(picture, over)
    canvas.draw()
    return pixels_of(canvas)[..., :3]


def test_pixels_are_enlarged_like_imshow_does():
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    drawn = draw_pixels(50, 40, picture)
    assert np.array_equal(drawn, picture.repeat(10, axis=0).repeat(10, axis=1))


def test_a_map_is_blended_over_its_picture():
    picture = np.full((2, 2, 3), 200, np.uint8)
    over = colour_values(np.array([[0.0, np.nan], [0.5, 2.0]]), (0.0, 1.0), "gray", 0.6)
    drawn = draw_pixels(20, 20, picture, over).astype(float)
    assert drawn[5, 5] == pytest.approx(0.4 * 200, abs=2)
    assert drawn[5, 15] == pytest.approx(200, abs=1)  # NaN shows the picture
    assert drawn[15, 5] == pytest.approx(0.4 * 200 + 0.6 * 128, abs=2)
    assert drawn[15, 15] == pytest.approx(0.4 * 200 + 0.6 * 255, abs=2)  # beyond the end


def test_equal_pixels_need_no_drawing_and_wrong_ones_are_refused():
    artist = Pixels(Figure().add_subplot(), smooth=True)
    artist.set_picture(np.zeros((3, 3, 3), np.uint8))
    artist.stale = False
    artist.set_picture(np.zeros((3, 3, 3), np.uint8))
    assert not artist.stale
    artist.set_picture(np.ones((3, 3, 3), np.uint8))
    assert artist.stale
    with pytest.raises(ShapeError, match="uint8"):
        artist.set_picture(np.zeros((3, 3, 3)))


def test_outline_of_a_clip_reaches_one_at_its_loudest_moment():
    clip = make_clip("neutral")
    corners = outline(clip, 3.0)
    assert np.abs(corners[:, 1] - 3.0).max() == pytest.approx(1.0)
    seconds = len(clip.waveform) / clip.sample_rate
    assert 0 < corners[:, 0].min() < corners[:, 0].max() < seconds


def test_long_names_are_cut():
    assert (cut("happy"), cut("a_long_file_name_of_mine")) == ("happy", "a_long_file_n…")


def test_what_is_redrawn_alone_equals_what_is_drawn_anew(explorer):
    canvas = ExplorerCanvas(ExplorerPicture(explorer.view()))
    before = pixels_of(canvas)
    for change in CHANGES:
        explorer.choose(**change)
        canvas.show_view(explorer.view())
        shown = pixels_of(canvas)
        assert (shown != before).any(), change
        canvas.draw()
        assert np.array_equal(shown, pixels_of(canvas)), change
        before = shown
    explorer.choose(metric="spatial", show_weights=False)


def test_pictures_sent_add_up_to_the_canvas(explorer):
    canvas = ExplorerCanvas(ExplorerPicture(explorer.view()))
    received, shown = [], None
    canvas.send_binary = lambda png: received.append((canvas._current_image_mode, png))
    canvas._handle_message(canvas, {"type": "refresh"}, [])
    canvas._handle_message(canvas, {"type": "draw"}, [])
    for frame in (1, 4, 2):
        explorer.choose(frame=frame)
        canvas.show_view(explorer.view())
    assert [mode for mode, _ in received] == ["full", "diff", "diff", "diff"]
    for mode, png in received:
        with Image.open(io.BytesIO(png)) as opened:
            picture = np.asarray(opened.convert("RGBA"))
        if mode == "full":
            shown = picture.copy()
        else:
            shown[picture[..., 3] == 255] = picture[picture[..., 3] == 255]
    assert np.array_equal(shown, pixels_of(canvas))


def test_a_finer_screen_gets_a_finer_picture(explorer):
    canvas = ExplorerCanvas(ExplorerPicture(explorer.view()))
    canvas._handle_message(canvas, {"type": "set_device_pixel_ratio", "device_pixel_ratio": 2}, [])
    explorer.choose(frame=5)
    canvas.show_view(explorer.view())
    assert pixels_of(canvas).shape[:2] == (round(200 * HEIGHT), round(200 * WIDTH))
    shown = pixels_of(canvas)
    canvas.draw()
    assert np.array_equal(shown, pixels_of(canvas))


def test_no_artist_is_made_while_views_change(explorer):
    picture = ExplorerPicture(explorer.view())
    before = set(map(id, picture.figure.findobj(lambda a: not isinstance(a, Axes))))
    for frame in (0, 3, 6):
        explorer.choose(frame=frame)
        picture.show(explorer.view())
    after = set(map(id, picture.figure.findobj(lambda a: not isinstance(a, Axes))))
    assert after <= before


def test_a_metric_without_places_shows_faces_and_two_matrices(explorer):
    view = explorer.view()
    shape = view.moments.shape
    blank = dict.fromkeys(("within", "matched", "mismatched", "weights"))
    without = replace(
        view, has_places=False, moments_of_sound=np.random.default_rng(0).random(shape),
        quantity="distance", selection=replace(view.selection, metric="audio_visual"), **blank,
    )  # fmt: skip
    picture = ExplorerPicture(view)
    canvas = FigureCanvasAgg(picture.figure)
    assert picture.show(without), "all must be drawn anew"
    canvas.draw()
    assert picture.moments.matrices[1].ax.get_visible()
    assert [curve.ax.get_visible() for curve in picture.moments.curves] == [False, True]
    assert not picture.faces.scale.get_visible()
    face = view.pair.first.faces[view.selection.frame]
    assert np.array_equal(picture.faces.pixels["chosen"].picture, face)


def test_the_static_figure_marks_the_place_and_says_its_values(explorer):
    explorer.choose(row=3, column=6, frame=4)
    view = explorer.view()
    figure = draw_static(view)
    titles = [ax.get_title() for ax in figure.axes[:4]]
    assert f"{view.matched[3, 6]:.2f}" in titles[2]
    assert f"{view.mismatched[3, 6]:.2f}" in titles[3]
    assert "click" not in titles[0]
    side, (rows, columns) = view.pair.first.faces.shape[1], view.within.shape
    for ax in figure.axes[:4]:
        assert {mark.get_xy() for mark in ax.patches} == {(6 * side / columns, 3 * side / rows)}


def test_boxes_lie_inside_the_picture():
    for box in FACE_BOXES:
        left, bottom, width, height = fractions(box)
        assert 0 < left < left + width < 1
        assert 0 < bottom < bottom + height < 1
