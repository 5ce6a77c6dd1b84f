from __future__ import annotations

import io
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from spfem.errors import InputError
from spfem.released.pickles import array_of, unpickle_arrays

HERE = Path("file.pkl")


def _read(content: bytes):
    return unpickle_arrays(io.BytesIO(content), HERE)


class _Command:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "uint32", "bool"])
def test_arrays_come_back(protocol, dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    content = {"a": array, "b": np.asfortranarray(array), "c": array[0, 1], "d": [1, "text"]}
    found = _read(pickle.dumps(content, protocol))
    np.testing.assert_array_equal(found["a"], array)
    np.testing.assert_array_equal(found["b"], array)
    assert found["c"] == array[0, 1]
    assert found["d"] == [1, "text"]


def test_an_array_of_python_2_comes_back():
    values = np.array([1.5, -2.0, 300.0])
    raw = values.tobytes()
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U"
        + bytes([len(raw)])
        + raw
        + b"tb."
    )
    np.testing.assert_array_equal(_read(content), values)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix"])
def test_sparse_matrices_become_dense(kind, protocol):
    dense = np.zeros((5, 7))
    dense[[0, 3, 3, 4], [6, 0, 5, 2]] = [1.0, 2.5, -3.0, 4.0]
    found = _read(pickle.dumps(getattr(scipy.sparse, kind)(dense), protocol))
    np.testing.assert_array_equal(array_of(found, "matrix", HERE), dense)


def test_a_selection_of_a_chumpy_array_is_carried_out(monkeypatch):
    kinds = {}
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    for module, name in (("chumpy.ch", "Ch"), ("chumpy.reordering", "Select")):
        kinds[name] = type(name, (), {"__module__": module})
        monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(**{name: kinds[name]}))
    whole, chosen = kinds["Ch"](), kinds["Select"]()
    whole.__dict__ = {"_x": np.arange(10.0).reshape(2, 5)}
    chosen.__dict__ = {"a": whole, "idxs": np.array([7, 0, 3, 9]), "preferred_shape": (2, 2)}
    found = array_of(_read(pickle.dumps(chosen, 2)), "chosen", HERE)
    np.testing.assert_array_equal(found, [[7, 0], [3, 9]])


@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_become_arrays(protocol):
    tensor = torch.arange(12).reshape(3, 4).T[1:]
    found = _read(pickle.dumps({"t": tensor, "r": torch.tensor([0.5])}, protocol))
    np.testing.assert_array_equal(found["t"], tensor.numpy())
    assert found["r"].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ((os.system, "touch made"), "system"),
        ((eval, "open('made', 'w')"), "builtins.eval"),
        ((np.fromfile, "made"), "numpy.fromfile"),
        ((torch.load, "made"), "torch.serialization.load"),
    ],
)
def test_code_is_refused_by_name_and_never_runs(call, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=named):
        _read(pickle.dumps({"a": _Command(*call)}))
    assert not (tmp_path / "made").exists()


def test_code_inside_the_storage_of_a_tensor_never_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inner = io.BytesIO()
    torch.save(_Command(os.system, "touch made"), inner, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="cannot be read"):
        _read(pickle.dumps(_Command(torch.storage._load_from_bytes, inner.getvalue())))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(np.arange(99))[:-40]])
def test_damaged_pickles_are_named(content):
    with pytest.raises(InputError, match=r"file\.pkl cannot be read"):
        _read(content)


@pytest.mark.parametrize("value", ["text", None, {}, np.array(["a"])])
def test_what_is_no_array_is_named(value):
    with pytest.raises(InputError, match="'weights' holds no numbers"):
        array_of(value, "weights", HERE)
