"""Panels side by side: where they lie, what their labels keep to, what is refused."""

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.panels import GAP, LEAST_STRIP, rows_of_panels, side_by_side
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
