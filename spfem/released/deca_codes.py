"""DECA's codes of a clip: their layout, and the pickles in which NED and SCMCL keep them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from spfem.errors import InputError, ShapeError
from spfem.files import writing
from spfem.released.pickles import Similarity, array_of, unpickle_arrays

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


def write_person_codes(path: Path, clips: Iterable[tuple[str, str, DecaCodes]]) -> None:
    """Write `<actor>_deca_scmcl.pkl` {emotion: {number: array}}, from which SCMCL learns.

    Each array is (T, 53) float32: axis-angle of the jaw (radians), then the expression.

    Args:
        path: of the file.
        clips: emotion, number and codes of each clip.

    Source: spec `face_pipeline.md` 1.7, `cross_modal_correlation.md` A5.
    """
    content: dict[str, dict[str, np.ndarray]] = {}
    for emotion, number, codes in clips:
        columns = np.concatenate([codes.pose[:, 3:], codes.expression], 1)
        content.setdefault(emotion, {})[number] = columns.astype(np.float32)
    with writing(path) as aside:
        aside.write_bytes(_pickle(content))
