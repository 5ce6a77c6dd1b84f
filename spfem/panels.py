"""Frames of several videos as one frame, each under its label; sheets and GIFs of frames."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from spfem.errors import ShapeError
from spfem.files import writing

GAP = 4  # pixels between panels
STRIP_SHARE = 0.16  # height of the label strip by height of the panels
LEAST_STRIP = 16  # pixels; smaller letters cannot be read
LETTER_SHARE = 0.85  # of the strip's height that a line of letters takes at most
PAPER, INK = (255, 255, 255), (25, 25, 25)
FONT = cv2.FONT_HERSHEY_SIMPLEX
LINE_AT_ONE = 30.0  # pixels of a line of letters, with room, at font scale 1
JPEG_QUALITY = 90
LARGEST_RATE = 12.5  # frames per second that are shown at most
LARGEST_FILE = 1_500_000  # bytes
TRIES = ((255, 1.0), (128, 1.0), (128, 0.8), (96, 0.65), (64, 0.5))
"""Colours and size that are tried until the file is small enough, the best-looking first."""
PALETTE_FRAMES = 8  # that the common palette is taken from
UNSEEN_CHANGE = 9  # of 255; a place that changes less, as by a codec's noise, stays as shown


def side_by_side(
    panels: Sequence[np.ndarray], labels: Sequence[str], *, height: int | None = None
) -> np.ndarray:
    """Put panels next to each other, a label above each.

    Panels, uint8 (H, W, 3) RGB of any sizes, are scaled to one `height` in pixels, without the
    strip of labels (by default that of the tallest), their shape kept. All labels are written in
    one size: as large as the strip allows, smaller where the longest would leave its panel.

    Returns:
        uint8 (H, W, 3) RGB with even sides, as video encoders need them.

    Raises:
        ShapeError: if there is no panel, a panel has another form, or labels do not fit.
    """
    if not panels or len(labels) != len(panels):
        raise ShapeError(
            f"side by side needs a panel or more and a label for each; got {len(panels)} panels "
            f"and {len(labels)} labels"
        )
    for number, panel in enumerate(panels):
        if panel.dtype != np.uint8 or panel.ndim != 3 or panel.shape[2] != 3 or not panel.size:
            raise ShapeError(
                f"panel {number} must be uint8 (H, W, 3), found {panel.dtype} {panel.shape}"
            )
    tall = max(len(panel) for panel in panels) if height is None else height
    if tall < 1:
        raise ShapeError(f"the height of the panels must be 1 pixel or more, found {height}")
    scaled = [_at_height(panel, tall) for panel in panels]
    strips = label_strips(tuple(labels), tuple(panel.shape[1] for panel in scaled), tall)
    gap = np.full((len(strips[0]) + tall, GAP, 3), PAPER, np.uint8)
    columns = [gap]
    for strip, panel in zip(strips, scaled, strict=True):
        columns += [np.concatenate([strip, panel]), gap]
    joined = np.concatenate(columns[1:-1], axis=1)
    missing = [(0, side % 2) for side in joined.shape[:2]]
    return np.pad(joined, (*missing, (0, 0)), mode="edge")


def _at_height(panel: np.ndarray, height: int) -> np.ndarray:
    if len(panel) == height:
        return panel
    width = max(1, round(panel.shape[1] * height / len(panel)))
    method = cv2.INTER_AREA if height < len(panel) else cv2.INTER_CUBIC
    return cv2.resize(panel, (width, height), interpolation=method)


@lru_cache(maxsize=16)  # every frame of a video has the same labels
def label_strips(
    labels: tuple[str, ...], widths: tuple[int, ...], height: int
) -> tuple[np.ndarray, ...]:
    """Strips (S, W, 3) uint8 with the labels, for panels of the given widths and one height."""
    tall = max(LEAST_STRIP, round(STRIP_SHARE * height))
    size = LETTER_SHARE * tall / LINE_AT_ONE
    for text, width in zip(labels, widths, strict=True):
        taken = cv2.getTextSize(text, FONT, 1.0, 1)[0][0]
        size = min(size, 0.94 * width / max(taken, 1))
    strips = []
    for text, width in zip(labels, widths, strict=True):
        strip = np.full((tall, width, 3), PAPER, np.uint8)
        (taken, _), _ = cv2.getTextSize(text, FONT, size, 1)
        # Baseline from the letters' usual height, so that all labels stand on one line.
        baseline = round(tall / 2 + 0.28 * LINE_AT_ONE * size)
        place = ((width - taken) // 2, baseline)
        strips.append(cv2.putText(strip, text, place, FONT, size, INK, 1, cv2.LINE_AA))
    return tuple(strips)


def pictures_as_jpeg(pictures: np.ndarray, side: int, columns: int) -> bytes:
    """Pictures (T, S, S, 3) uint8 RGB, shrunk to `side` pixels, in rows of `columns`, as JPEG."""
    whole = np.zeros((-(-len(pictures) // columns) * side, columns * side, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = (side * n for n in divmod(number, columns))
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        whole[top : top + side, left : left + side] = small[..., ::-1]
    return cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def write_gif(
    path: Path, frames: Iterable[np.ndarray], fps: Fraction | float, *, largest: int = LARGEST_FILE
) -> None:
    """Write frames, uint8 (H, W, 3) RGB of one size, as a looped GIF that lasts as the video does.

    Frames are left out until at most `LARGEST_RATE` remain a second. All share one palette, so
    that a face does not flicker between palettes, and none is dithered, since dots do not
    compress. Colours, then pixels are given up until the file has `largest` bytes or less.

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
    # Milliseconds of each frame: GIF counts in 10, and the remainders must not add up; browsers
    # slow down below 20.
    ends = [min(index * every, count) / float(fps) for index in range(len(pictures) + 1)]
    durations = [max(20, int(10 * step)) for step in np.diff(np.rint(100 * np.asarray(ends)))]
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
