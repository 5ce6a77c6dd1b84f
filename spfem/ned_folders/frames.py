"""The files of single frames: `<folder>/[<sequence>/]%06d.<suffix>`, counted over all videos."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np

from spfem.errors import InputError

SEQUENCE_FRAMES = 50  # in a sub-folder, with `--split`
LARGEST_SIDE = 4096  # pixels; what claims more is not read
_PNG_START = b"\x89PNG\r\n\x1a\n"


def frame_path(folder: Path, index: int, suffix: str, *, split: bool = False) -> Path:
    """Place of frame `index`, counted over all videos of the folder from 0."""
    if split:
        folder = folder / f"{index // SEQUENCE_FRAMES:06d}"
    return folder / f"{index:06d}{suffix}"


def list_frames(folder: Path, suffix: str) -> dict[int, Path]:
    """Every frame of a folder, flat or in sub-folders, by its number, in order.

    Raises:
        InputError: if a name is no number, or a frame is there twice.
    """
    frames: dict[int, Path] = {}
    for path in sorted([*folder.glob(f"*{suffix}"), *folder.glob(f"*/*{suffix}")]):
        if path.name.startswith("."):
            continue
        if not re.fullmatch(r"\d{6,9}", path.stem) or not path.is_file():
            raise InputError(f"{path} is no frame; NED names frames like 000000{suffix}")
        index = int(path.stem)
        if index in frames:
            raise InputError(f"{path} and {frames[index]} are the same frame; remove one of them")
        frames[index] = path
    return dict(sorted(frames.items()))


def read_picture(path: Path, *, grey: bool = False) -> np.ndarray:
    """Pixels (H, W, 3) uint8 RGB of a PNG file, or (H, W) uint8 with `grey`.

    Raises:
        InputError: if the file is no whole PNG picture of a believable size.
    """
    with path.open("rb") as file:
        head = file.read(24)
    if not head.startswith(_PNG_START) or len(head) < 24:
        raise InputError(f"{path} is no PNG picture; run NED's preprocessing again")
    width, height = struct.unpack(">II", head[16:24])
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise InputError(f"{path} claims {width} x {height} pixels; NED's pictures have 256 x 256")
    content = np.fromfile(path, np.uint8)
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        picture = None
    if picture is None:
        raise InputError(f"{path} is damaged; run NED's preprocessing again")
    return np.asarray(picture, np.uint8)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB or (H, W) uint8 as PNG.

    Raises:
        InputError: if the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = picture if picture.ndim == 2 else picture[..., ::-1]
    whole, content = cv2.imencode(".png", np.ascontiguousarray(stored))
    if not whole:
        raise InputError(f"{path} cannot be written as PNG: the picture is {picture.shape}")
    path.write_bytes(content.tobytes())


def read_table(path: Path, rows: tuple[int, ...], columns: int) -> np.ndarray:
    """Numbers (N, columns) float64 of a text file, N one of `rows`.

    Raises:
        InputError: if the file holds something else, or a number is not finite.
    """
    try:
        table = np.loadtxt(path, dtype=np.float64, ndmin=2, max_rows=1000, comments=None)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds no table of numbers ({error})") from None
    if table.shape not in [(count, columns) for count in rows] or not np.isfinite(table).all():
        shapes = " or ".join(f"{count} x {columns}" for count in rows)
        raise InputError(f"{path} holds {table.shape} numbers; wanted {shapes}, all finite")
    return table


def write_table(path: Path, table: np.ndarray) -> None:
    """Write numbers (N, C) as numpy's `savetxt` does, which NED calls."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, table)
