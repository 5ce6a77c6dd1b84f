import pickle
import pickletools

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.released.deca_codes import (
    PersonCodes,
    person_codes,
    read_person_codes,
    read_released_codes,
    to_expression,
    write_frame_codes,
    write_person_codes,
)
from tests.released.made_up_clips import make_codes


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


def make_person():
    return [
        person_codes(make_codes(4), "happy", "001"),
        person_codes(make_codes(6, seed=1), "happy", "002"),
        person_codes(make_codes(5, seed=2), "neutral", "001"),
    ]


def test_columns_of_a_person_are_jaw_and_expression():
    codes = make_codes(4)
    clip = person_codes(codes, "happy", "001")
    assert clip.codes.shape == (4, 53)
    np.testing.assert_array_equal(clip.codes[:, :3], codes.pose[:, 3:])
    np.testing.assert_array_equal(clip.codes[:, 3:], codes.expression)
    np.testing.assert_array_equal(clip.expression, to_expression(codes))


@pytest.mark.parametrize("name", ["M003_deca_scmcl.pkl", "M003_deca.pkl"])
def test_codes_of_a_person_come_back(tmp_path, name):
    clips, numbered = make_person(), "scmcl" in name
    write_person_codes(tmp_path / name, clips)
    stored = pickle.loads((tmp_path / name).read_bytes())
    if numbered:
        assert {e: list(numbers) for e, numbers in stored.items()} == {
            "happy": ["001", "002"],
            "neutral": ["001"],
        }
    else:
        assert [(array.shape, emotion) for array, emotion in stored] == [
            ((4, 53), "happy"),
            ((6, 53), "happy"),
            ((5, 53), "neutral"),
        ]
    for found, wanted in zip(read_person_codes(tmp_path / name), clips, strict=True):
        assert found.emotion == wanted.emotion
        assert found.number == (wanted.number if numbered else None)
        np.testing.assert_array_equal(found.codes, wanted.codes)


def test_scmcl_needs_numbers(tmp_path):
    clip = PersonCodes("happy", None, np.zeros((4, 53), np.float32))
    with pytest.raises(InputError, match="no number"):
        write_person_codes(tmp_path / "a_deca_scmcl.pkl", [clip])
    assert not list(tmp_path.iterdir())


GOOD = np.zeros((4, 53), np.float32)


class Hostile:
    def __reduce__(self):
        return print, ("it ran",)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([(GOOD, "happy"), Hostile()], "builtins.print"),
        ({"happy": {"001": Hostile()}}, "builtins.print"),
        ([], "no codes"),
        ({}, "no codes"),
        (3, "no codes"),
        ([GOOD], "no pair"),
        ([(GOOD, "joy")], "unknown emotion 'joy'"),
        ([(GOOD[:, 1:], "happy")], r"\(4, 52\)"),
        ([(GOOD[:0], "happy")], r"\(0, 53\)"),
        ([(GOOD * np.nan, "happy")], "not finite"),
        ([("text", "happy")], "no numbers"),
        ({"happy": GOOD}, "ndarray, no mapping"),
        ({"happy": {1: GOOD}}, "clip 1"),
    ],
)
def test_hostile_and_other_files_are_refused(tmp_path, capsys, content, complaint):
    path = tmp_path / "M003_deca.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=complaint):
        read_person_codes(path)
    assert "it ran" not in capsys.readouterr().out


def test_missing_and_cut_files_are_refused(tmp_path):
    path = tmp_path / "M003_deca.pkl"
    with pytest.raises(InputError, match="does not exist"):
        read_person_codes(path)
    path.write_bytes(pickle.dumps([(GOOD, "happy")])[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        read_person_codes(path)
