"""DECA's codes of a clip: their layout, their files, and the expression among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from spfem.artifacts import writing
from spfem.errors import InputError, ShapeError
from spfem.flame.pickles import Similarity, array_of, unpickle_arrays

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


def save_codes(path: Path, codes: DecaCodes) -> None:
    """Write one .npz file, whole or not at all."""
    with writing(path) as aside:
        np.savez(aside, **{field.name: getattr(codes, field.name) for field in fields(codes)})


def load_codes(path: Path) -> DecaCodes:
    """Read what `save_codes` wrote.

    Raises:
        InputError: if the file is missing, damaged or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return DecaCodes(**{field.name: stored[field.name] for field in fields(DecaCodes)})
    except Exception as error:  # damaged archives raise whatever the reader stumbles over
        raise InputError(f"{path} holds no DECA codes ({error}); encode the clip again") from error


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
