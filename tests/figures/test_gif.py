"""GIF files: how long they last, what they show, how large they get."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from spfem.errors import ShapeError
from spfem.panels import LARGEST_RATE, UNSEEN_CHANGE, write_gif
from tests.figures.pictures import make_face


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
