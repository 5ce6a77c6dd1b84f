import pickle
import pickletools

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.released.deca_codes import read_released_codes, write_frame_codes, write_person_codes
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


def test_hostile_and_cut_files_are_refused(tmp_path, capsys):
    path = tmp_path / "000000.pkl"
    path.write_bytes(pickle.dumps({"exp": Hostile()}))
    with pytest.raises(InputError, match=r"builtins\.print"):
        read_released_codes([path])
    assert "it ran" not in capsys.readouterr().out
    write_frame_codes(path, make_codes(1), 0)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        read_released_codes([path])
