"""A folder of numbered pictures read as a video."""

import cv2
import numpy as np
import pytest

from spfem.errors import InputError
from spfem.media.container import picture_paths
from spfem.media.probe import probe_video
from spfem.media.video import read_video


def paint(folder, *numbers, size=8):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        frame = np.zeros((size, size, 3), np.uint8)
        frame[..., 2] = number  # red, as cv2 counts
        cv2.imwrite(str(folder / f"{number:06d}.png"), frame)
    return folder


def test_frames_in_order_and_a_gap_repeats_the_last_one(tmp_path):
    folder = paint(tmp_path / "img", 10, 2, 3, 5)
    (folder / "face.png").write_bytes(b"x")
    video = read_video(folder)
    assert [int(frame[0, 0, 0]) for frame in video.frames] == [2, 3, 3, 5, 5, 5, 5, 5, 10]
    assert (video.frames[..., 1:] == 0).all()
    assert (video.fps, video.audio) == (30, None)
    facts = probe_video(folder)
    assert (facts.width, facts.height, facts.frames, facts.has_audio) == (8, 8, 9, False)
    assert facts.frames == len(video.frames)


def test_pictures_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="holds no numbered picture"):
        picture_paths(tmp_path)
    folder = paint(tmp_path / "img", 1, 2)
    (folder / "000002.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"000002\.png is not a readable picture"):
        read_video(folder)
    paint(folder, 2, size=16)
    with pytest.raises(InputError, match=r"000002\.png has another size"):
        read_video(folder)
