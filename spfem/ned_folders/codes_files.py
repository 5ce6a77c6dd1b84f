"""DECA's codes as NED and SCMCL pickle them: one file a frame, or one a person of MEAD."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spfem.artifacts import writing
from spfem.errors import InputError
from spfem.flame.codes import LENGTHS, RELEASED_NAMES, DecaCodes
from spfem.flame.pickles import array_of, unpickle_arrays
from spfem.settings import EMOTIONS

COLUMNS = 53  # of a person's codes: axis-angle of the jaw, 50 of the expression
_PROTOCOL = 3  # the newest that names classes by lines, which `_pickle` renames


class WrittenSimilarity:
    """Stands for `skimage.transform.SimilarityTransform` until the bytes are written."""

    def __init__(self, matrix: np.ndarray):
        self.params = matrix


_THEIR_NAMES = {
    f"c{__name__}\nWrittenSimilarity\n": "cskimage.transform._geometric\nSimilarityTransform\n",
    # numpy's own name since version 2, which NED's numpy does not know; ours knows both
    "cnumpy._core.multiarray\n": "cnumpy.core.multiarray\n",
    "cnumpy._core.numeric\n": "cnumpy.core.numeric\n",
}


def _pickle(value: object) -> bytes:
    """Bytes that Python 3 with any numpy reads, and scikit-image where `value` names it."""
    content = pickle.dumps(value, _PROTOCOL)
    for ours, theirs in _THEIR_NAMES.items():
        content = content.replace(ours.encode(), theirs.encode())
    return content


def write_frame_codes(path: Path, codes: DecaCodes, frame: int) -> None:
    """Write the codes of one frame as NED's reconstruct does.

    A dictionary of float32 arrays (1, ...), `tform` as the object of scikit-image that NED calls,
    and `original_size`. Our own reader takes only the matrix out of it.

    Source: spec `face_pipeline.md` 1.4.
    """
    content: dict[str, Any] = {
        RELEASED_NAMES.get(name, name): np.ascontiguousarray(
            getattr(codes, name)[frame : frame + 1], np.float32
        )
        for name in LENGTHS
    }
    content["tform"] = WrittenSimilarity(codes.crop[frame].astype(np.float64))
    content["original_size"] = tuple(int(side) for side in codes.image_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_pickle(content))


@dataclass(frozen=True)
class PersonCodes:
    """Codes of one clip in the file of a person of MEAD.

    Attributes:
        emotion: one of `spfem.settings.EMOTIONS`.
        number: of the clip; None in NED's form, which loses it.
        codes: (T, 53) float32, axis-angle of the jaw (radians), then the expression.
    """

    emotion: str
    number: str | None
    codes: np.ndarray

    @property
    def expression(self) -> np.ndarray:
        """The manipulator's vectors (T, 51): opening of the jaw, then the expression."""
        return np.concatenate([self.codes[:, :1], self.codes[:, 3:]], 1)


def person_codes(codes: DecaCodes, emotion: str, number: str | None) -> PersonCodes:
    """What of a clip's codes goes into the file of its person."""
    columns = np.concatenate([codes.pose[:, 3:], codes.expression], 1)
    return PersonCodes(emotion, number, columns.astype(np.float32))


def write_person_codes(path: Path, clips: Sequence[PersonCodes]) -> None:
    """Write `<actor>_deca_scmcl.pkl` {emotion: {number: array}}, or NED's `<actor>_deca.pkl`.

    NED's form, a list of (array, emotion), is written where the name does not end in `_scmcl`.

    Raises:
        InputError: if SCMCL's form is asked for and a clip has no number.
    """
    content: Any = [(clip.codes, clip.emotion) for clip in clips]
    if path.stem.endswith("_scmcl"):
        content = {}
        for clip in clips:
            if clip.number is None:
                raise InputError(f"{path}: a {clip.emotion} clip has no number, which SCMCL needs")
            content.setdefault(clip.emotion, {})[clip.number] = clip.codes
    with writing(path) as aside:
        aside.write_bytes(_pickle(content))


def read_person_codes(path: Path) -> tuple[PersonCodes, ...]:
    """Read the codes of a person of MEAD in either form; nothing is run, only arrays are taken.

    Raises:
        InputError: if the file is damaged, names code, or holds something else.

    Source: spec `face_pipeline.md` 1.7, `cross_modal_correlation.md` A5.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; NED's reconstruct_MEAD writes <actor>_deca.pkl")
    with path.open("rb") as file:
        content = unpickle_arrays(file, path)
    entries: list[tuple[Any, Any, Any]] = []
    if isinstance(content, Mapping):
        for emotion, numbers in content.items():
            if not isinstance(numbers, Mapping):
                raise InputError(f"{path}: {emotion} is a {type(numbers).__name__}, no mapping")
            entries += [(emotion, number, codes) for number, codes in numbers.items()]
    elif isinstance(content, list):
        for entry in content:
            if not isinstance(entry, tuple | list) or len(entry) != 2:
                raise InputError(f"{path}: an entry is no pair of codes and emotion")
            entries.append((entry[1], None, entry[0]))
    if not entries:
        raise InputError(f"{path} holds no codes of clips; run NED's reconstruct_MEAD again")
    return tuple(_check_person(path, *entry) for entry in entries)


def _check_person(path: Path, emotion: Any, number: Any, value: Any) -> PersonCodes:
    if emotion not in EMOTIONS or not isinstance(number, str | None):
        raise InputError(f"{path}: clip {number!r} has the unknown emotion {emotion!r}")
    codes = array_of(value, str(emotion), path).astype(np.float32)
    if codes.ndim != 2 or codes.shape[1] != COLUMNS or not len(codes):
        raise InputError(f"{path}: codes of {emotion} are {codes.shape} instead of (T, {COLUMNS})")
    if not np.isfinite(codes).all():
        raise InputError(f"{path}: codes of {emotion} are not finite")
    return PersonCodes(emotion, number, codes)
