"""DECA's codes of a clip: their layout, and the pickles in which NED and SCMCL keep them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from spfem.artifacts import writing
from spfem.errors import InputError, ShapeError
from spfem.released.pickles import Similarity, array_of, unpickle_arrays
from spfem.settings import EMOTIONS

OFFSETS = {  # of the 236 outputs of the coarse encoder
    "shape": (0, 100),
    "texture": (100, 150),
    "expression": (150, 200),
    "pose": (200, 206),
    "camera": (206, 209),
    "light": (209, 236),
}
LENGTHS = {name: end - start for name, (start, end) in OFFSETS.items()} | {"detail": 128}
RELEASED_NAMES = {"texture": "tex", "expression": "exp", "camera": "cam"}  # in NED's pickles
JAW_OPENING = 3  # place in the pose: the jaw's turn about x
EXPRESSION_LENGTH = 51  # jaw opening and 50 coefficients: the manipulator's space


@dataclass(frozen=True)
class DecaCodes:
    """What DECA knows of T frames; float32, `crop` float64.

    Attributes:
        shape: (T, 100) identity.
        texture: (T, 50) albedo; nothing here draws it.
        expression: (T, 50).
        pose: (T, 6) axis-angle of head and jaw, radians; entry 3 opens the jaw.
        camera: (T, 3) scale and two shifts.
        light: (T, 9, 3) spherical harmonics; nothing here draws them.
        detail: (T, 128).
        crop: (T, 3, 3) image to 224 crop, for pixel indices (the first pixel's centre is 0).
        image_size: (2,) int64 width and height of the images.

    Raises:
        ShapeError: if an array has another shape.
    """

    shape: np.ndarray
    texture: np.ndarray
    expression: np.ndarray
    pose: np.ndarray
    camera: np.ndarray
    light: np.ndarray
    detail: np.ndarray
    crop: np.ndarray
    image_size: np.ndarray

    def __post_init__(self) -> None:
        frames = len(self.shape)
        wanted: dict[str, tuple[int, ...]] = {n: (frames, k) for n, k in LENGTHS.items()}
        wanted |= {"light": (frames, 9, 3), "crop": (frames, 3, 3), "image_size": (2,)}
        for name, size in wanted.items():
            found = getattr(self, name).shape
            if found != size:
                raise ShapeError(f"codes: {name} is {found} instead of {size}")

    def __len__(self) -> int:
        return len(self.shape)

    @classmethod
    def join(cls, parts: Sequence[DecaCodes]) -> DecaCodes:
        """The codes of consecutive parts of one clip."""
        names = [*LENGTHS, "crop"]
        joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        return cls(**joined, image_size=parts[0].image_size)

    def frames(self, chosen: slice) -> DecaCodes:
        """The codes of some frames."""
        per_frame = {f.name: getattr(self, f.name)[chosen] for f in fields(self)}
        return DecaCodes(**(per_frame | {"image_size": self.image_size}))


def split_outputs(
    coarse: np.ndarray, detail: np.ndarray, crop: np.ndarray, image_size: tuple[int, int]
) -> DecaCodes:
    """Codes of the encoders' outputs.

    Args:
        coarse: (T, 236).
        detail: (T, 128).
        crop: (T, 3, 3), see `DecaCodes`.
        image_size: width and height.
    """
    parts = {name: coarse[:, start:end] for name, (start, end) in OFFSETS.items()}
    parts["light"] = parts["light"].reshape(-1, 9, 3)
    return DecaCodes(**parts, detail=detail, crop=crop, image_size=np.array(image_size, np.int64))


def to_expression(codes: DecaCodes) -> np.ndarray:
    """The manipulator's vector (T, 51) float32: jaw opening in radians, then 50 coefficients.

    Source: spec `manipulator_and_renderer.md` B1; nothing is normalised.
    """
    return np.concatenate([codes.pose[:, [JAW_OPENING]], codes.expression], 1)


def with_expression(codes: DecaCodes, expression: np.ndarray) -> DecaCodes:
    """The same head with another expression; all else, other turns of the jaw too, is kept.

    Args:
        codes: of T frames.
        expression: (T, 51), see `to_expression`.

    Raises:
        ShapeError: if the expression has another shape.

    Source: spec `manipulator_and_renderer.md` D1.
    """
    if expression.shape != (len(codes), EXPRESSION_LENGTH):
        raise ShapeError(
            f"expression is {expression.shape}; these codes need {(len(codes), EXPRESSION_LENGTH)}"
        )
    expression = expression.astype(np.float32)
    pose = codes.pose.copy()
    pose[:, JAW_OPENING] = expression[:, 0]
    return replace(codes, pose=pose, expression=expression[:, 1:])


def read_released_codes(files: Iterable[Path]) -> DecaCodes:
    """Codes from NED's own pickles, one a frame, in the order given.

    Only arrays are taken; the pickled crop object of scikit-image is never built.

    Raises:
        InputError: if there is no file, or one is damaged or lacks entries.
    """
    frames = [_read_frame(path) for path in files]
    if not frames:
        raise InputError("no pickles of DECA codes were given; NED keeps them in its folder DECA")
    return DecaCodes(
        **{name: np.concatenate([f[name] for f in frames]) for name in [*LENGTHS, "crop"]},
        image_size=frames[0]["image_size"],
    )


def _read_frame(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise InputError(f"{path} does not exist; NED writes one pickle a frame")
    with path.open("rb") as file:
        content = unpickle_arrays(file, path)
    names = [RELEASED_NAMES.get(name, name) for name in LENGTHS]
    if not isinstance(content, Mapping) or {*names, "tform"} - set(content):
        raise InputError(
            f"{path} does not hold {', '.join(names)} and tform; run NED's reconstruct"
        )
    shapes: dict[str, tuple[int, ...]] = {n: (1, k) for n, k in LENGTHS.items()}
    shapes["light"] = (1, 9, 3)
    frame: dict[str, np.ndarray] = {
        name: array_of(content[released], released, path).astype(np.float32)
        for name, released in zip(LENGTHS, names, strict=True)
    }
    crop = content["tform"]
    if isinstance(crop, Similarity):
        crop = crop.state.get("params")
    frame["crop"] = array_of(crop, "tform", path).astype(np.float64)[None]
    shapes["crop"] = (1, 3, 3)
    for name, wanted in shapes.items():
        if frame[name].shape != wanted:
            raise InputError(f"{path}: {name} is {frame[name].shape} instead of {wanted}")
    size = array_of(content.get("original_size", (256, 256)), "original_size", path)
    frame["image_size"] = size.astype(np.int64)
    return frame


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
