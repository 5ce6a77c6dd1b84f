"""Single files of a folder of NED, and the boxes of crops."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from spfem.errors import InputError, ShapeError
from spfem.released.ned_files import (
    VideoInfo,
    cut_boxes,
    frame_path,
    grow_boxes,
    list_frames,
    read_boxes,
    read_frame_info,
    read_picture,
    read_table,
    smooth_boxes,
    square_boxes,
    write_boxes,
    write_frame_info,
    write_picture,
    write_table,
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


def test_frames_are_named_as_by_ned(tmp_path):
    assert frame_path(tmp_path, 7, ".png") == tmp_path / "000007.png"
    assert frame_path(tmp_path, 149, ".pkl", split=True) == tmp_path / "000002" / "000149.pkl"


def test_listing_finds_flat_and_split_folders_in_order(tmp_path):
    for index in (3, 0, 51, 149):
        path = frame_path(tmp_path, index, ".txt", split=index > 50)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "000004.png").touch()
    (tmp_path / ".000005.txt").touch()
    assert list(list_frames(tmp_path, ".txt")) == [0, 3, 51, 149]


@pytest.mark.parametrize("name", ["one.txt", "1.txt", "00000a.txt", "000000.txt.txt"])
def test_other_names_are_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="is no frame"):
        list_frames(tmp_path, ".txt")


def test_doubled_frames_are_refused(tmp_path):
    (tmp_path / "000000").mkdir()
    (tmp_path / "000000.txt").touch()
    (tmp_path / "000000" / "000000.txt").touch()
    with pytest.raises(InputError, match="the same frame"):
        list_frames(tmp_path, ".txt")


def test_pictures_survive_and_are_rgb_on_disk(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "a" / "000000.png"
    write_picture(path, picture)
    np.testing.assert_array_equal(read_picture(path), picture)
    # Another reader: OpenCV, which gives blue first.
    np.testing.assert_array_equal(cv2.imread(str(path)), picture[..., ::-1])
    write_picture(path, picture[..., 0])
    np.testing.assert_array_equal(read_picture(path, grey=True), picture[..., 0])
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (5, 7)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content))


def test_damaged_pictures_are_named(tmp_path):
    path = tmp_path / "000000.png"
    write_picture(path, np.zeros((64, 64, 3), np.uint8))
    whole = path.read_bytes()
    bomb = whole[:16] + struct.pack(">II", 60_000, 60_000) + whole[24:]
    empty = whole[:16] + struct.pack(">II", 0, 64) + whole[24:]
    for content, complaint in [
        (b"", "no PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "no PNG"),
        (whole[:20], "no PNG"),
        (bomb, "60000 x 60000"),
        (empty, "0 x 64"),
        (whole[:40], "damaged"),
        (whole[:33] + chunk(b"IEND", b""), "damaged"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=complaint):
            read_picture(path)


def test_tables_survive_to_the_last_digit(tmp_path):
    table = np.random.default_rng(0).normal(size=(14, 2))
    path = tmp_path / "a" / "000000.txt"
    write_table(path, table)
    np.testing.assert_array_equal(read_table(path, (14, 34), 2), table)
    assert path.read_text().split()[0] == f"{table[0, 0]:.18e}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"\(0, 1\)|no table"),
        ("1 2 3\n", r"\(1, 3\)"),
        ("1 2 3\n" * 3, r"\(3, 3\)"),
        ("1 2 3\n1 2\n", "no table"),
        ("1 2 3\n1 2 nan\n", "finite"),
        ("1 2 3\n1 2 inf\n", "finite"),
        ("one two three\n" * 2, "no table"),
        ("1 2 3\n" * 100_000, r"\(1000, 3\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_other_tables_are_refused(tmp_path, text, complaint):
    path = tmp_path / "000000.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_table(path, (2,), 3)


def boxes_at(*lefts):
    return np.array([[left, 40, left + 50, 110] for left in lefts], np.float32)


def crops_of(boxes, frame_size):
    return grow_boxes(square_boxes(smooth_boxes(boxes)), frame_size)


@pytest.mark.parametrize(("frames", "window"), [(70, 49), (12, 11), (13, 13), (1, 1)])
def test_median_equals_a_slow_one(frames, window):
    boxes = np.random.default_rng(frames).normal(size=(frames, 4)).astype(np.float32)
    mirrored = np.concatenate([boxes[::-1], boxes, boxes[::-1]])
    half = window // 2
    slow = [
        np.median(mirrored[frames + t - half : frames + t + half + 1], axis=0)
        for t in range(frames)
    ]
    np.testing.assert_array_equal(smooth_boxes(boxes), slow)


def test_one_wild_detection_moves_no_crop():
    boxes = boxes_at(*[100] * 30)
    boxes[12] = [0, 0, 300, 300]
    cut = crops_of(boxes, (240, 320))
    assert len(np.unique(cut, axis=0)) == 1


def test_squares_have_the_height_and_the_middle_of_the_box():
    square = square_boxes(np.array([[100.0, 40, 140, 100]]))
    np.testing.assert_allclose(square, [[90, 40, 150, 100]])
    np.testing.assert_allclose(square_boxes(square, 0.1), [[90, 46, 150, 106]])


def test_margin_is_a_fixed_share_of_the_crop_and_stops_at_the_frame():
    box = np.array([[100.0, 50, 286, 236]])  # 256 - 70 = 186 pixels
    np.testing.assert_array_equal(grow_boxes(box, (400, 400)), [[65, 15, 321, 271]])
    np.testing.assert_array_equal(grow_boxes(box, (240, 300)), [[65, 15, 300, 240]])


def test_no_jump_at_frame_500():
    shift = np.linspace(0, 30, 1001)
    boxes = np.stack([60 + shift, 60 + shift, 120 + shift, 120 + shift], axis=1)
    cut = crops_of(boxes, (300, 300))
    assert np.abs(np.diff(cut, axis=0)).max() <= 1


@pytest.mark.parametrize(("box", "size"), [((10, 20, 30, 40), 20), ((10, 20, 30, 40), 256)])
def test_crops_show_the_box(box, size):
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[20:40, 10:30] = (200, 100, 50)
    crop = cut_boxes(frame[None], np.array([box]), size)
    assert crop.shape == (1, size, size, 3)
    assert (crop == (200, 100, 50)).all()


def test_boxes_outside_the_frame_are_named():
    with pytest.raises(ShapeError, match="outside the frame of 20 x 10"):
        grow_boxes(np.array([[100.0, 50, 286, 236]]), (10, 20))
