from __future__ import annotations

import pickle
from dataclasses import fields

import numpy as np
import pytest

from spfem.errors import InputError, ShapeError
from spfem.released.deca_codes import (
    DecaCodes,
    read_released_codes,
    split_outputs,
    to_expression,
    with_expression,
)

FRAMES = 3


@pytest.fixture
def codes():
    random = np.random.default_rng(0)
    coarse = random.standard_normal((FRAMES, 236)).astype(np.float32)
    detail = random.standard_normal((FRAMES, 128)).astype(np.float32)
    crop = np.eye(3) + 0.1 * random.standard_normal((FRAMES, 3, 3))
    return split_outputs(coarse, detail, crop, (256, 250))


def _assert_same(a: DecaCodes, b: DecaCodes, *, but: tuple[str, ...] = ()) -> None:
    for field in fields(DecaCodes):
        if field.name not in but:
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_outputs_are_split_at_the_released_offsets():
    numbers = np.arange(236, dtype=np.float32)[None]
    codes = split_outputs(numbers, np.zeros((1, 128), np.float32), np.eye(3)[None], (256, 256))
    starts = {
        name: getattr(codes, name).ravel()[0]
        for name in ("shape", "texture", "expression", "pose", "camera", "light")
    }
    assert list(starts.values()) == [0, 100, 150, 200, 206, 209]
    assert codes.light[0, 1, 0] == 212


def test_the_manipulators_vector_is_jaw_opening_then_expression(codes):
    vector = to_expression(codes)
    assert vector.shape == (FRAMES, 51)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector[:, 0], codes.pose[:, 3])
    np.testing.assert_array_equal(vector[:, 1:], codes.expression)


def test_a_new_expression_changes_nothing_else(codes):
    new = np.random.default_rng(1).standard_normal((FRAMES, 51)).astype(np.float32)
    before = codes.pose.copy()
    edited = with_expression(codes, new)
    np.testing.assert_array_equal(to_expression(edited), new)
    _assert_same(edited, codes, but=("expression", "pose"))
    kept = [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(edited.pose[:, kept], codes.pose[:, kept])
    np.testing.assert_array_equal(codes.pose, before)
    with pytest.raises(ShapeError, match=r"\(3, 50\); these codes need \(3, 51\)"):
        with_expression(codes, new[:, 1:])


def test_codes_of_another_shape_are_named(codes):
    with pytest.raises(ShapeError, match=r"detail is \(2, 128\) instead of \(3, 128\)"):
        DecaCodes(**(vars(codes) | {"detail": codes.detail[:2]}))


def _released(codes, frame, tform):
    names = {"shape": "shape", "texture": "tex", "expression": "exp", "pose": "pose"}
    names |= {"camera": "cam", "light": "light", "detail": "detail"}
    content = {there: getattr(codes, here)[frame : frame + 1] for here, there in names.items()}
    return content | {"tform": tform, "original_size": (256, 250)}


def test_pickles_of_ned_are_read(codes, tmp_path):
    transform = pytest.importorskip("skimage.transform")
    files = []
    for frame in range(FRAMES):
        path = tmp_path / f"{frame:06d}.pkl"
        # One with the object of scikit-image, as released; the others with its matrix.
        tform = codes.crop[frame]
        if frame == 0:
            tform = transform.SimilarityTransform(np.diag([2.0, 2.0, 1.0]))
        path.write_bytes(pickle.dumps(_released(codes, frame, tform), protocol=2 + frame))
        files.append(path)
    found = read_released_codes(files)
    _assert_same(found, codes, but=("crop",))
    np.testing.assert_array_equal(found.crop[0], np.diag([2.0, 2.0, 1.0]))
    np.testing.assert_array_equal(found.crop[1:], codes.crop[1:])


def test_unusable_pickles_of_ned_are_named(codes, tmp_path):
    path = tmp_path / "000000.pkl"
    with pytest.raises(InputError, match="does not exist"):
        read_released_codes([path])
    with pytest.raises(InputError, match="no pickles"):
        read_released_codes([])
    whole = _released(codes, 0, np.eye(3))
    for spoilt, message in [
        ({n: v for n, v in whole.items() if n != "cam"}, "does not hold"),
        (whole | {"exp": np.zeros((1, 51))}, r"expression is \(1, 51\)"),
        (whole | {"tform": None}, "'tform' holds no numbers"),
        (whole | {"tform": np.eye(2)}, r"crop is \(1, 2, 2\)"),
        (whole | {"more": print}, "builtins.print"),
    ]:
        path.write_bytes(pickle.dumps(spoilt))
        with pytest.raises(InputError, match=message):
            read_released_codes([path])
