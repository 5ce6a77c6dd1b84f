"""DECA's codes and the pickles that hold them."""

from __future__ import annotations

import pickle
import pickletools
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
    write_frame_codes,
    write_person_codes,
)
from tests.released.made_up_clips import make_codes

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


def test_pickles_of_frames_are_those_of_ned(tmp_path):
    transform = pytest.importorskip("skimage.transform")
    codes = make_codes(2)
    for frame in range(2):
        write_frame_codes(tmp_path / "DECA" / f"{frame:06d}.pkl", codes, frame)
    content = (tmp_path / "DECA" / "000001.pkl").read_bytes()
    stored = pickle.loads(content)  # as NED does, with whatever it names
    shapes = {"shape": (1, 100), "tex": (1, 50), "exp": (1, 50), "pose": (1, 6), "cam": (1, 3)}
    shapes |= {"light": (1, 9, 3), "detail": (1, 128)}
    assert set(stored) == {*shapes, "tform", "original_size"}
    for name, shape in shapes.items():
        assert stored[name].shape == shape
        assert stored[name].dtype == np.float32
    np.testing.assert_array_equal(stored["exp"][0], codes.expression[1])
    assert stored["original_size"] == (256, 256)
    assert type(stored["tform"]) is transform.SimilarityTransform
    np.testing.assert_array_equal(stored["tform"].params, codes.crop[1])
    # The object works: NED warps with it.
    np.testing.assert_allclose(stored["tform"](np.zeros((1, 2)))[0], codes.crop[1, :2, 2])


def test_pickles_name_nothing_that_old_versions_lack(tmp_path):
    write_frame_codes(tmp_path / "000000.pkl", make_codes(1), 0)
    names = {
        argument
        for opcode, argument, _ in pickletools.genops((tmp_path / "000000.pkl").read_bytes())
        if opcode.name in ("GLOBAL", "STACK_GLOBAL")
    }
    assert names == {
        "numpy ndarray",
        "numpy dtype",
        "numpy.core.multiarray _reconstruct",
        "skimage.transform._geometric SimilarityTransform",
    }


def test_pickles_of_frames_come_back(tmp_path):
    codes = make_codes(3)
    files = [tmp_path / f"{frame:06d}.pkl" for frame in range(3)]
    for frame, file in enumerate(files):
        write_frame_codes(file, codes, frame)
    found = read_released_codes(files)
    for name, array in vars(codes).items():
        np.testing.assert_array_equal(getattr(found, name), array)


def test_codes_of_a_person_are_those_of_scmcl(tmp_path):
    clips = [("happy", "001", make_codes(4)), ("happy", "002", make_codes(6, seed=1))]
    clips.append(("neutral", "001", make_codes(5, seed=2)))
    write_person_codes(tmp_path / "M003_deca_scmcl.pkl", clips)
    stored = pickle.loads((tmp_path / "M003_deca_scmcl.pkl").read_bytes())
    assert {e: list(n) for e, n in stored.items()} == {"happy": ["001", "002"], "neutral": ["001"]}
    for emotion, number, codes in clips:
        array = stored[emotion][number]
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array[:, :3], codes.pose[:, 3:])
        np.testing.assert_array_equal(array[:, 3:], codes.expression)


class Hostile:
    def __reduce__(self):
        return print, ("it ran",)
