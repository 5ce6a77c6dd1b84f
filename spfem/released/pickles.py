"""Pickles of other people, read into arrays: whatever could run code is refused by name."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy._core import multiarray, numeric

from spfem.errors import InputError

REBUILDERS = {"_reconstruct", "_frombuffer", "scalar"}  # how numpy's own pickles come back

PYTHON_2_NAMES = {"copy_reg": "copyreg", "__builtin__": "builtins"}


class Recorded:
    """An object of a class that is never imported: only what its pickle says of its state."""

    def __init__(self, *arguments: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"its state is a {type(state).__name__}, no mapping")
        self.state = state


STAND_INS: dict[tuple[str, str], type[Recorded]] = {
    key: type(key[1], (Recorded,), {})
    for key in (
        ("chumpy", "Ch"),  # an array with bookkeeping around it
        ("chumpy", "Select"),  # some entries of another chumpy array
        ("scipy", "csc_matrix"),
        ("scipy", "csr_matrix"),
        ("scipy", "coo_matrix"),
        ("skimage", "SimilarityTransform"),
    )
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        package = module.split(".")[0]
        if (package, name) in STAND_INS:
            return STAND_INS[package, name]
        if package == "numpy":
            if name in ("ndarray", "dtype") and module == "numpy":
                return getattr(np, name)
            if name in REBUILDERS and module.split(".")[-1] in ("multiarray", "numeric"):
                return getattr(numeric if name == "_frombuffer" else multiarray, name)
        builders = {
            ("collections", "OrderedDict"): OrderedDict,
            ("_codecs", "encode"): _encode,
            ("copyreg", "_reconstructor"): _reconstruct_stand_in,
            ("builtins", "object"): object,
            ("torch.storage", "_load_from_bytes"): _read_storage,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor_values,
        }
        module = PYTHON_2_NAMES.get(module, module)
        if (module, name) in builders:
            return builders[module, name]
        raise pickle.UnpicklingError(
            f"it names the Python object {module}.{name}, which could run code"
        )


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the text encoding {encoding!r}")
    return text.encode("latin1")


def _reconstruct_stand_in(kind: type, base: type, state: Any) -> Recorded:
    if not (isinstance(kind, type) and issubclass(kind, Recorded) and base is object):
        raise pickle.UnpicklingError(f"it rebuilds a {kind} from a {base}")
    return kind()


def _read_storage(content: bytes) -> Any:
    import torch

    # What torch does itself, but without the right to run code.
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _tensor_values(storage: Any, offset: int, size: Any, stride: Any, *_rest: Any) -> np.ndarray:
    import torch

    empty = torch.empty(0, dtype=storage.dtype)
    tensor = empty.set_(storage._untyped_storage, int(offset), tuple(size), tuple(stride))
    return tensor.detach().numpy().copy()


def unpickle_arrays(file: BinaryIO, path: Path) -> Any:
    """What one pickle holds: containers, numbers, texts, arrays and `Recorded` stand-ins.

    Nothing is imported and no foreign constructor runs. Tensors come back as arrays; see
    `array_of` for the stand-ins of chumpy and scipy.sparse. Python 2 pickles are read as latin1.

    Raises:
        InputError: if the pickle is damaged or names anything else.
    """
    try:
        return _ArrayUnpickler(file, encoding="latin1").load()
    except Exception as error:  # damaged pickles raise whatever the reader stumbles over
        raise InputError(
            f"{path} cannot be read: {str(error) or type(error).__name__}; only arrays are taken "
            "from it; get the file again from its source"
        ) from error


def array_of(value: Any, name: str, path: Path) -> np.ndarray:
    """The plain array (any shape) behind an array, tensor, chumpy array or sparse matrix.

    Raises:
        InputError: if it is none of these, naming entry and file.
    """
    try:
        return _plain(value)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{path}: entry {name!r} holds no numbers that can be read ({error}); get the file "
            "again from its source"
        ) from error


def _plain(value: Any) -> np.ndarray:
    if isinstance(value, Recorded):
        return _plain_of(type(value).__name__, value.state)
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"its type is {array.dtype}")
    return array


def _plain_of(kind: str, state: dict[str, Any]) -> np.ndarray:
    """The array behind the state of a stand-in."""
    if kind == "Ch":
        return _plain(state["x"] if "x" in state else state["_x"])
    if kind == "Select":
        chosen = _plain(state["a"]).ravel()[_plain(state["idxs"]).astype(np.int64)]
        shape = state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape(shape)
    if kind == "coo_matrix":
        places = state["coords"] if "coords" in state else (state["row"], state["col"])
        return _dense(tuple(state["_shape"]), tuple(map(_plain, places)), _plain(state["data"]))
    if kind in ("csc_matrix", "csr_matrix"):
        across = np.diff(_plain(state["indptr"]))
        outer = np.repeat(np.arange(len(across)), across)
        inner = _plain(state["indices"])
        places = (outer, inner) if kind == "csr_matrix" else (inner, outer)
        return _dense(tuple(state["_shape"]), places, _plain(state["data"]))
    raise TypeError(f"a {kind}")


def _dense(shape: tuple[int, ...], places: tuple[Any, ...], values: np.ndarray) -> np.ndarray:
    whole = np.zeros(shape, values.dtype)
    np.add.at(whole, places, values)  # entries of one place add up, as in scipy
    return whole
