import numpy as np
import pytest

from spfem.errors import InputError
from spfem.released.ned_files import (
    VideoInfo,
    read_boxes,
    read_frame_info,
    write_boxes,
    write_frame_info,
)

BOXES = np.array([(1, 2, 30, 40), (2, 2, 31, 40), (3, 2, 32, 40)])


def test_boxes_survive_in_the_form_of_ned(tmp_path):
    path = tmp_path / "my clip.txt"
    write_boxes(path, VideoInfo("my clip", 29.97, BOXES), "celeb/videos/my clip.mp4")
    lines = path.read_text().splitlines()
    assert lines[0] == "celeb/videos/my clip.mp4 29.97 fps 3 frames"
    assert lines[1].split()[3] == "4.000000000000000000e+01"
    # As NED's blend reads it: skip one row, cast to int.
    np.testing.assert_array_equal(np.loadtxt(path, skiprows=1).astype(int), BOXES)
    found = read_boxes(path)
    assert (found.name, found.fps) == ("my clip", 29.97)
    np.testing.assert_array_equal(found.boxes, BOXES)


def test_repeated_runs_of_ned_are_read_once(tmp_path):
    path = tmp_path / "a.txt"
    write_boxes(path, VideoInfo("a", 25, BOXES), "a.mp4")
    with path.open("a") as file:
        np.savetxt(file, BOXES)
    np.testing.assert_array_equal(read_boxes(path).boxes, BOXES)
    with path.open("a") as file:
        np.savetxt(file, BOXES + 1)
    with pytest.raises(InputError, match="9 boxes for 3 frames"):
        read_boxes(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no boxes"),
        ("a.mp4 25 frames\n", "begins with"),
        ("a.mp4 fast fps 1 frames\n1 2 3 4\n", "begins with"),
        ("a.mp4 25 fps 0 frames\n1 2 3 4\n", "0 frames"),
        ("a.mp4 0 fps 1 frames\n1 2 3 4\n", "0.0 fps"),
        ("a.mp4 25 fps 2 frames\n1 2 3 4\n", "1 boxes for 2"),
        ("a.mp4 25 fps 1 frames\n", "four finite"),
        ("a.mp4 25 fps 1 frames\n1 2 3\n", "four finite"),
        ("a.mp4 25 fps 1 frames\n1 2 nan 4\n", "four finite"),
        ("a.mp4 25 fps 1 frames\n1 2 x 4\n", "could not convert"),
        ("a.mp4 25 fps 1 frames\n3 2 1 4\n", "empty"),
        ("a.mp4 25 fps 1 frames\n3 2 1e9 4\n", "far outside"),
    ],
)
def test_damaged_box_files_are_named(tmp_path, text, complaint):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_boxes(path)


def test_frame_info_survives_in_the_form_of_scmcl(tmp_path):
    path = tmp_path / "_frame_info.txt"
    write_frame_info(path, [("happy_001", 2), ("sad_002", 1)])
    assert path.read_text() == "happy_001_0 0\nhappy_001_1 1\nsad_002_0 2\n"
    assert read_frame_info(path) == [("happy_001", [0, 1]), ("sad_002", [2])]


@pytest.mark.parametrize("text", ["happy_001 0\n", "a_0 0\na_2 1\n", "a_0 zero\n", "\n"])
def test_damaged_frame_info_is_named(tmp_path, text):
    path = tmp_path / "_frame_info.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="does not list frames"):
        read_frame_info(path)
