"""Panels side by side and GIFs: where they lie, how long they last, what is refused."""

import numpy as np
import pytest
from PIL import Image, ImageSequence
from studies.videos import rows_of_panels

from spfem.errors import ShapeError
from spfem.panels import (
    GAP,
    LARGEST_RATE,
    LEAST_STRIP,
    UNSEEN_CHANGE,
    side_by_side,
    write_gif,
)
from tests.figures.pictures import make_face


@pytest.mark.parametrize("side", [63, 64])
def test_panels_lie_unchanged_below_their_labels(side):
    first, second = make_face(side), make_face(side) // 2
    joined = side_by_side([first, second], ["source", "edit"])
    strip = max(LEAST_STRIP, round(0.16 * side))
    assert joined.shape[0] % 2 == joined.shape[1] % 2 == 0
    assert np.array_equal(joined[strip : strip + side, :side], first)
    assert np.array_equal(joined[strip : strip + side, side + GAP : 2 * side + GAP], second)
    assert (joined[:, side : side + GAP] == 255).all()
    wide = np.repeat(make_face(20), 2, axis=1)  # 20 x 40
    assert side_by_side([first, wide], ["", ""], height=40).shape[1] == 40 + GAP + 80


@pytest.mark.parametrize("side", [128, 400])
def test_labels_are_written_inside_their_panel(side):
    titles = ["source", "NED + STCCL-VD", "happy, intensity 0.50"]
    joined = side_by_side([np.full((side, side, 3), 255, np.uint8)] * 3, titles)
    dark = joined.min(axis=2) < 128
    for number in range(3):
        part = dark[:, number * (side + GAP) :][:, :side]
        columns, rows = np.flatnonzero(part.any(axis=0)), np.flatnonzero(part.any(axis=1))
        assert 0 < columns.min() <= columns.max() < side - 1  # not cut at either side
        assert abs((columns.min() + columns.max() + 1 - side) / 2) < side / 32  # centred
        assert rows.max() - rows.min() >= 5  # high enough to be read
    assert not dark[-side:].any()


@pytest.mark.parametrize("side", [64, 63])
def test_rows_keep_their_panels_in_place(side):
    face = make_face(side)
    rows = [[face, face // 2], [face // 3, face // 4], [face // 5, face // 6]]
    sheet = rows_of_panels(rows, ["source", "NED + ASCCL", "truth"], ["happy", "sad"])
    assert sheet.shape[0] % 2 == sheet.shape[1] % 2 == 0
    left = round(0.75 * side) + GAP
    for i, row in enumerate(rows):
        y = LEAST_STRIP + i * (side + GAP)
        for j, panel in enumerate(row):
            x = left + j * (side + GAP)
            assert np.array_equal(sheet[y : y + side, x : x + side], panel)
        assert (sheet[y : y + side, : left - GAP] < 128).any()


def test_panels_that_do_not_fit_are_refused():
    face = make_face(8)
    for panels, labels, message in (
        ([], [], "a panel or more"),
        ([face], ["a", "b"], "2 labels"),
        ([face / 255], ["a"], "panel 0 must be uint8"),
        ([face, face[..., 0]], ["a", "b"], "panel 1"),
    ):
        with pytest.raises(ShapeError, match=message):
            side_by_side(panels, labels)
    with pytest.raises(ShapeError, match="height"):
        side_by_side([face], ["a"], height=0)
    with pytest.raises(ShapeError, match="one size"):
        rows_of_panels([[face], [make_face(9)]], ["a", "b"], ["c"])
    with pytest.raises(ShapeError, match="1 labels"):
        rows_of_panels([[face], [face]], ["a"], ["c"])


def read(path):
    with Image.open(path) as file:
        frames = [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in
                  ImageSequence.Iterator(file)]  # fmt: skip
        return [frame for frame, _ in frames], [length for _, length in frames], file.info["loop"]


@pytest.mark.parametrize(("count", "fps"), [(39, 25), (20, 10), (50, 29.97)])
def test_a_gif_lasts_as_long_as_the_video_and_loops(count, fps, tmp_path):
    video = [np.roll(make_face(64), 2 * index, axis=1) for index in range(count)]
    write_gif(tmp_path / "a.gif", iter(video), fps)
    frames, durations, loop = read(tmp_path / "a.gif")
    assert sum(durations) == pytest.approx(1000 * count / fps, abs=5)
    assert len(durations) / (count / fps) <= LARGEST_RATE + 1.5  # the last step may be cut short
    assert loop == 0  # for ever
    for shown, wanted in zip(frames, video[:: int(np.ceil(fps / LARGEST_RATE))], strict=True):
        assert np.abs(shown.astype(int) - wanted).max() <= 8  # the palette holds all colours


def test_noise_of_a_codec_takes_no_room_and_slow_changes_are_shown(tmp_path):
    face = make_face(64).astype(int)
    still = face + np.random.default_rng(0).integers(-2, 3, (20, *face.shape))
    slow = face + 3 * np.arange(20)[:, None, None, None]
    size = {}
    for name, video in (("still", still), ("slow", slow), ("one", still[:1])):
        write_gif(tmp_path / f"{name}.gif", np.clip(video, 0, 255).astype(np.uint8), 10)
        size[name] = (tmp_path / f"{name}.gif").stat().st_size
    assert size["still"] < 1.3 * size["one"]
    last = read(tmp_path / "slow.gif")[0][-1].astype(int)
    assert np.abs(last - np.clip(slow[-1], 0, 255)).mean() < UNSEEN_CHANGE


def test_large_gifs_give_up_colours_then_pixels(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (6, 45, 60, 3)).astype(np.uint8)
    write_gif(tmp_path / "full.gif", noise, 10)
    largest = (tmp_path / "full.gif").stat().st_size // 3
    write_gif(tmp_path / "small.gif", noise, 10, largest=largest)
    assert (tmp_path / "small.gif").stat().st_size <= largest
    for frames, size, message in (
        (noise, 1000, "fewer panels"), ([], 9, "no frame"), ([noise[0] / 255], 9, "uint8"),
        ([noise[0], noise[0, 1:]], 9, "frame 1"),
    ):  # fmt: skip
        with pytest.raises(ShapeError, match=message):
            write_gif(tmp_path / "none.gif", frames, 10, largest=size)
    assert not (tmp_path / "none.gif").exists()
