"""Panels side by side and GIFs: where they lie, how long they last, what is refused."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from spfem.errors import ShapeError
from spfem.panels import (
    GAP,
    LARGEST_RATE,
    LEAST_STRIP,
    UNSEEN_CHANGE,
    rows_of_panels,
    side_by_side,
    write_gif,
)
from tests.figures.pictures import make_face


def test_panels_lie_unchanged_below_their_labels():
    first, second = make_face(64), make_face(64) // 2
    joined = side_by_side([first, second], ["a", "b"])
    strip = len(joined) - 64
    assert joined.dtype == np.uint8
    assert np.array_equal(joined[strip:, :64], first)
    assert np.array_equal(joined[strip:, 64 + GAP : 128 + GAP], second)
    assert (joined[:, 64 : 64 + GAP] == 255).all()


@pytest.mark.parametrize("side", [63, 64, 65])
def test_sides_are_even_for_every_size(side):
    joined = side_by_side([make_face(side), make_face(31)[:, :17]], ["source", "edit"])
    assert joined.shape[0] % 2 == joined.shape[1] % 2 == 0


def test_panels_share_a_height_and_keep_their_shape():
    wide = np.repeat(make_face(20), 2, axis=1)  # 20 x 40
    joined = side_by_side([make_face(64), wide], ["", ""], height=40)
    assert joined.shape[1] == 40 + GAP + 80
    flat = side_by_side([np.full((10, 10, 3), 70, np.uint8)], [""], height=30)
    assert (flat[-30:] == 70).all()


def test_labels_are_written_inside_their_panel_at_128_pixels():
    titles = ["source", "NED + STCCL-VD", "reference (surprised)"]
    panels = [np.full((128, 128, 3), 255, np.uint8)] * 3
    joined = side_by_side(panels, titles)
    dark = joined.min(axis=2) < 128
    for number in range(3):
        left = number * (128 + GAP)
        columns = np.flatnonzero(dark[:, left : left + 128].any(axis=0))
        assert 0 < columns.min() <= columns.max() < 127  # not cut at either side
        assert abs((columns.min() + columns.max()) / 2 - 63.5) < 4  # centred
        rows = np.flatnonzero(dark[:, left : left + 128].any(axis=1))
        assert rows.max() - rows.min() >= (5 if number == 0 else 7)  # high enough to be read
    assert not dark[:, 128 : 128 + GAP].any()
    assert not dark[-128:].any()


@pytest.mark.parametrize("side", [96, 128, 256, 400, 720])
def test_long_labels_shrink_until_they_fit(side):
    joined = side_by_side([np.full((side, side, 3), 255, np.uint8)], ["happy, intensity 0.50"])
    columns = np.flatnonzero((joined.min(axis=2) < 200).any(axis=0))
    assert 0 < columns.min() <= columns.max() < side - 1


def test_same_labels_give_the_same_strip_again():
    first = side_by_side([make_face(64)], ["source"])
    second = side_by_side([make_face(64) // 2], ["source"])
    assert np.array_equal(first[:-64], second[:-64])


@pytest.mark.parametrize(
    ("panels", "labels", "message"),
    [
        ([], [], "a panel or more"),
        ([make_face(8)], ["a", "b"], "2 labels"),
        ([make_face(8) / 255], ["a"], "panel 0 must be uint8"),
        ([make_face(8), make_face(8)[..., 0]], ["a", "b"], "panel 1"),
    ],
)
def test_what_does_not_fit_is_refused(panels, labels, message):
    with pytest.raises(ShapeError, match=message):
        side_by_side(panels, labels)
    with pytest.raises(ShapeError, match="height"):
        side_by_side([make_face(8)], ["a"], height=0)


@pytest.mark.parametrize("side", [64, 63])
def test_rows_keep_their_panels_in_place(side):
    face = make_face(side)
    rows = [[face, face // 2], [face // 3, face // 4], [face // 5, face // 6]]
    sheet = rows_of_panels(rows, ["source", "NED + ASCCL", "truth"], ["happy", "sad"])
    assert sheet.shape[0] % 2 == sheet.shape[1] % 2 == 0
    left = round(0.75 * side) + GAP
    top = LEAST_STRIP
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            y, x = top + i * (side + GAP), left + j * (side + GAP)
            assert np.array_equal(sheet[y : y + side, x : x + side], panel)
        label = sheet[top + i * (side + GAP) :][:side, : left - GAP]
        assert (label < 128).any()


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="one size"):
        rows_of_panels([[make_face(8)], [make_face(9)]], ["a", "b"], ["c"])
    with pytest.raises(ShapeError, match="1 labels"):
        rows_of_panels([[make_face(8)], [make_face(8)]], ["a"], ["c"])
    with pytest.raises(ShapeError, match="2 panels and 3 labels"):
        rows_of_panels([[make_face(8)]], ["a"], ["c", "d"])


def moving_face(frames: int, side: int = 64) -> list[np.ndarray]:
    return [np.roll(make_face(side), 2 * index, axis=1) for index in range(frames)]


def read(path):
    with Image.open(path) as file:
        loop = file.info.get("loop")
        shown = [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(file)
        ]
    return [frame for frame, _ in shown], [duration for _, duration in shown], loop


@pytest.mark.parametrize(("count", "fps"), [(39, 25), (20, 10), (61, 30), (50, 29.97), (7, 24)])
def test_it_lasts_as_long_as_the_video_and_loops(count, fps, tmp_path):
    write_gif(tmp_path / "a.gif", moving_face(count), fps)
    _, durations, loop = read(tmp_path / "a.gif")
    assert sum(durations) == pytest.approx(1000 * count / fps, abs=5)
    assert len(durations) / (count / fps) <= LARGEST_RATE + 1.5  # the last step may be cut short
    assert loop == 0  # for ever


def test_frames_are_those_of_their_time(tmp_path):
    video = moving_face(9)
    write_gif(tmp_path / "a.gif", iter(video), 25)
    frames, durations, _ = read(tmp_path / "a.gif")
    assert durations == [80, 80, 80, 80, 40]
    for shown, wanted in zip(frames, video[::2], strict=True):
        assert np.abs(shown.astype(int) - wanted).max() <= 8  # the palette holds all colours


def test_noise_of_a_codec_takes_no_room_and_slow_changes_are_shown(tmp_path):
    random = np.random.default_rng(0)
    face = make_face(64).astype(int)
    noise = random.integers(-2, 3, (20, *face.shape))
    still, slow = np.repeat(face[None], 20, 0), face + 3 * np.arange(20)[:, None, None, None]
    for name, video in (("still", still + noise), ("slow", slow)):
        write_gif(tmp_path / f"{name}.gif", np.clip(video, 0, 255).astype(np.uint8), 10)
    write_gif(tmp_path / "one.gif", np.clip((still + noise)[:1], 0, 255).astype(np.uint8), 10)
    one = (tmp_path / "one.gif").stat().st_size
    assert (tmp_path / "still.gif").stat().st_size < 1.3 * one
    last = read(tmp_path / "slow.gif")[0][-1].astype(int)
    assert np.abs(last - np.clip(slow[-1], 0, 255)).mean() < UNSEEN_CHANGE


def test_large_pictures_give_up_colours_then_pixels(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (6, 90, 120, 3)).astype(np.uint8)
    write_gif(tmp_path / "full.gif", noise, 10)
    full = (tmp_path / "full.gif").stat().st_size
    write_gif(tmp_path / "small.gif", noise, 10, largest=full // 3)
    assert (tmp_path / "small.gif").stat().st_size <= full // 3
    small = read(tmp_path / "small.gif")[0][0]
    assert small.shape[0] / small.shape[1] == pytest.approx(90 / 120, abs=0.02)
    with pytest.raises(ShapeError, match="fewer panels"):
        write_gif(tmp_path / "none.gif", noise, 10, largest=1000)
    assert not (tmp_path / "none.gif").exists()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frame"),
        ([make_face(8), make_face(10)], "frame 1"),
        ([make_face(8) / 255], "uint8"),
    ],
)
def test_what_is_no_video_is_refused(frames, message, tmp_path):
    with pytest.raises(ShapeError, match=message):
        write_gif(tmp_path / "a.gif", frames, 25)
    assert not list(tmp_path.iterdir())
