"""A folder of numbered pictures as a video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spfem.errors import InputError
from spfem.media.names import PICTURE_SUFFIXES, suffix_of

PICTURES_FPS = 30  # pictures carry no rate; those of the papers are frames of MEAD


def picture_paths(folder: Path) -> list[Path]:
    """The numbered pictures of a folder in the order of their numbers.

    Raises:
        InputError: if there is none.
    """
    paths = [
        path
        for path in folder.iterdir()
        if suffix_of(path.name) in PICTURE_SUFFIXES and path.stem.isdecimal()
    ]
    if not paths:
        raise InputError(f"{folder} holds no numbered picture such as 000001.png")
    return sorted(paths, key=lambda path: int(path.stem))


def count_pictures(folder: Path) -> int:
    """Frames of a folder, missing numbers included.

    Raises:
        InputError: if there is no picture.
    """
    paths = picture_paths(folder)
    return int(paths[-1].stem) - int(paths[0].stem) + 1


def stream_pictures(folder: Path) -> Iterator[np.ndarray]:
    """Yield the pictures of a folder, uint8 (H, W, 3) RGB; a missing number repeats the last one.

    Raises:
        InputError: if there is no picture, one cannot be read, or sizes differ.
    """
    number, frame = None, None
    for path in picture_paths(folder):
        while frame is not None and number is not None and number + 1 < int(path.stem):
            yield frame
            number += 1
        image = _decode(path)
        if image is None:
            raise InputError(f"{path} is not a readable picture; copy it again")
        if frame is not None and image.shape != frame.shape:
            raise InputError(f"{path} has another size than the pictures before it")
        number, frame = int(path.stem), image[..., ::-1].copy()
        yield frame


def _decode(path: Path) -> np.ndarray | None:
    import cv2

    try:
        return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # empty, or larger than anything sensible
        return None
