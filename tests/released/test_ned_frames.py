import struct
import zlib

import cv2
import numpy as np
import pytest

from spfem.errors import InputError
from spfem.released.ned_files import (
    frame_path,
    list_frames,
    read_picture,
    read_table,
    write_picture,
    write_table,
)


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
