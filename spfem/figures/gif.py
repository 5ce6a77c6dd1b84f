"""Short looped GIF pictures, small enough for a README."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from spfem.artifacts import writing
from spfem.errors import ShapeError

LARGEST_RATE = 12.5  # frames per second that are shown at most
LARGEST_FILE = 1_500_000  # bytes
TRIES = ((255, 1.0), (128, 1.0), (128, 0.8), (96, 0.65), (64, 0.5))
"""Colours and size that are tried until the file is small enough, the best-looking first."""
PALETTE_FRAMES = 8  # that the common palette is taken from
UNSEEN_CHANGE = 9  # of 255; a place that changes less, as by a codec's noise, stays as shown


def write_gif(
    path: Path, frames: Iterable[np.ndarray], fps: Fraction | float, *, largest: int = LARGEST_FILE
) -> None:
    """Write frames as a looped GIF that lasts as long as the video.

    Frames are left out until at most `LARGEST_RATE` remain a second. All share one palette, so
    that a face does not flicker between palettes, and none is dithered, since dots do not
    compress.

    Args:
        path: ends in `.gif`; written whole or not at all.
        frames: uint8 (H, W, 3) RGB each, of one size.
        fps: frames per second.
        largest: size of the file in bytes; colours, then pixels are given up to keep it.

    Raises:
        ShapeError: if there is no frame, frames differ in size, or even the smallest picture
            that is tried exceeds `largest`.
    """
    every = max(1, int(np.ceil(float(fps) / LARGEST_RATE)))
    pictures: list[Image.Image] = []
    count = 0
    for frame in frames:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ShapeError(
                f"frame {count} must be uint8 (H, W, 3), found {frame.dtype} {frame.shape}"
            )
        if pictures and frame.shape[1::-1] != pictures[0].size:
            raise ShapeError(f"frame {count} is {frame.shape}, the first {pictures[0].size[::-1]}")
        if count % every == 0:
            pictures.append(Image.fromarray(frame))
        count += 1
    if not pictures:
        raise ShapeError(f"there is no frame to write to {path}")
    durations = _durations(len(pictures), every, count, float(fps))
    for colours, size in TRIES:
        data = _encode(pictures, durations, colours, size)
        if len(data) <= largest:
            break
    else:
        raise ShapeError(
            f"{path.name}: {len(pictures)} frames of {pictures[0].size} take {len(data)} bytes at "
            f"half size, more than {largest}; show fewer panels or seconds"
        )
    with writing(path) as aside:
        aside.write_bytes(data)


def _durations(shown: int, every: int, count: int, fps: float) -> list[int]:
    """Milliseconds of each shown frame: GIF counts in 10, and the remainders must not add up."""
    ends = [min((index + 1) * every, count) / fps for index in range(shown)]
    marks = np.rint(100 * np.asarray([0.0, *ends])).astype(int)
    return [max(20, int(10 * step)) for step in np.diff(marks)]  # browsers slow down below 20


def _without_noise(pictures: list[Image.Image]) -> Iterator[np.ndarray]:
    """The frames, with places that have not changed since they were last drawn left as drawn.

    The comparison is with what is shown, so slow changes do not get lost.
    """
    shown = np.asarray(pictures[0])
    for picture in pictures:
        new = np.asarray(picture)
        change = np.abs(new.astype(np.int16) - shown).max(axis=2, keepdims=True)
        shown = np.where(change > UNSEEN_CHANGE, new, shown)
        yield shown


def _encode(pictures: list[Image.Image], durations: list[int], colours: int, size: float) -> bytes:
    width, height = (max(1, round(side * size)) for side in pictures[0].size)
    if size != 1:
        pictures = [p.resize((width, height), Image.Resampling.LANCZOS) for p in pictures]
    pictures = [Image.fromarray(frame) for frame in _without_noise(pictures)]
    chosen = np.linspace(0, len(pictures) - 1, min(PALETTE_FRAMES, len(pictures))).astype(int)
    sheet = Image.fromarray(np.concatenate([np.asarray(pictures[index]) for index in chosen]))
    palette = sheet.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    first, *rest = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    file = io.BytesIO()
    # `optimize` leaves out what has not changed since the frame before.
    first.save(
        file, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=True
    )
    return file.getvalue()
