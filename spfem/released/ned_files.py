"""Files of a folder of NED: pictures and tables of single frames, and boxes of videos.

What is damaged or something else is an `InputError` that names the file, the fault and the remedy.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spfem.errors import InputError, ShapeError

FRAME_INFO = "_frame_info.txt"
_HEADER = re.compile(r"(?P<video>.+) (?P<fps>[0-9.eE+-]+) fps (?P<frames>\d+) frames")


@dataclass(frozen=True)
class VideoInfo:
    """What a box file says of the video `name` (without suffix).

    `boxes` (T, 4) are int64 left, top, right, bottom, the last two exclusive.
    """

    name: str
    fps: float
    boxes: np.ndarray


def write_boxes(path: Path, info: VideoInfo, video: str) -> None:
    """Write the file of one video, whose path NED names in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{video} {info.fps:g} fps {len(info.boxes)} frames\n")
        np.savetxt(file, info.boxes)


def read_boxes(path: Path) -> VideoInfo:
    """Read the file of one video.

    NED appends when it is run again; a repetition of the same boxes is taken once.
    """
    try:
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        header = _HEADER.fullmatch(first.strip())
        if not header:
            raise ValueError(f"it begins with {first[:60]!r}")
        fps, frames = float(header["fps"]), int(header["frames"])
        boxes = np.array([[float(number) for number in line.split()] for line in rest])
        if not (0 < fps < 1000 and frames > 0):
            raise ValueError(f"it says {fps} fps and {frames} frames")
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise ValueError("a row has not four finite numbers")
        repeated, left_over = divmod(len(boxes), frames)
        same = repeated and not left_over
        if not same or (boxes.reshape(repeated, frames, 4) != boxes[:frames]).any():
            raise ValueError(f"it has {len(boxes)} boxes for {frames} frames")
        whole = boxes[:frames].astype(np.int64)
        if not (whole[:, 2:] > whole[:, :2]).all() or (np.abs(whole) > 2**20).any():
            raise ValueError("a box is empty or far outside")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} holds no boxes of crops ({error}); run NED's detect again on an empty folder"
        ) from None
    return VideoInfo(path.stem, fps, whole)


def write_frame_info(path: Path, names: list[tuple[str, int]]) -> None:
    """Write `<name>_<i> <global index>` for every frame of videos (name, frames) in order."""
    listed = [f"{name}_{i}" for name, frames in names for i in range(frames)]
    lines = [f"{name} {index}\n" for index, name in enumerate(listed)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


def read_frame_info(path: Path) -> list[tuple[str, list[int]]]:
    """Videos in order, each with the global indices of its frames."""
    videos: dict[str, list[int]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            match = re.fullmatch(r"(.+)_(\d+) (\d+)", line.strip())
            if not match:
                raise ValueError(f"the line {line[:60]!r}")
            frames = videos.setdefault(match[1], [])
            if int(match[2]) != len(frames):
                raise ValueError(f"frame {match[2]} of {match[1]} where {len(frames)} is due")
            frames.append(int(match[3]))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} does not list frames like `happy_001_0 0` ({error})") from None
    return list(videos.items())


SEQUENCE_FRAMES = 50  # in a sub-folder, with `--split`
LARGEST_SIDE = 4096  # pixels; what claims more is not read
_PNG_START = b"\x89PNG\r\n\x1a\n"


def frame_path(folder: Path, index: int, suffix: str, *, split: bool = False) -> Path:
    """Place of frame `index`, counted over all videos of the folder from 0."""
    if split:
        folder = folder / f"{index // SEQUENCE_FRAMES:06d}"
    return folder / f"{index:06d}{suffix}"


def list_frames(folder: Path, suffix: str) -> dict[int, Path]:
    """Every frame of a folder, flat or in sub-folders, by its number, in order."""
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
    """Pixels (H, W, 3) uint8 RGB of a PNG file, or (H, W) uint8 with `grey`."""
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
    """Write (H, W, 3) uint8 RGB or (H, W) uint8 as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = picture if picture.ndim == 2 else picture[..., ::-1]
    whole, content = cv2.imencode(".png", np.ascontiguousarray(stored))
    if not whole:
        raise InputError(f"{path} cannot be written as PNG: the picture is {picture.shape}")
    path.write_bytes(content.tobytes())


def read_table(path: Path, rows: tuple[int, ...], columns: int) -> np.ndarray:
    """Numbers (N, columns) float64 of a text file, N one of `rows`."""
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


NED_SIZE = 256  # pixels, side of every picture of NED
CROP_MARGIN = 70  # pixels of the crop that are not box, both sides together
MEDIAN_FRAMES = 49  # window of the smoothing


def smooth_boxes(boxes: np.ndarray, window_frames: int = MEDIAN_FRAMES) -> np.ndarray:
    """Median over time of each coordinate of boxes (T, 4), mirrored at the ends.

    The window is cut to the clip and made odd (one frame less). Source: NED, which smooths chunks
    of 500 frames for themselves, so that its crops jump every 500 frames: here the whole clip.
    """
    from scipy.ndimage import median_filter

    window = min(window_frames, len(boxes))
    window -= 1 - window % 2
    return median_filter(boxes, size=(window, 1), mode="reflect")


def square_boxes(boxes: np.ndarray, recentre: float = 0.0) -> np.ndarray:
    """Boxes (T, 4) as wide as they are high, moved down by `recentre` heights. Source: NED."""
    left, top, right, bottom = boxes.T
    height = bottom - top
    wider = (height - (right - left)) / 2
    bottom = bottom + recentre * height
    return np.stack([left - wider, bottom - height, right + wider, bottom], axis=1)


def grow_boxes(
    boxes: np.ndarray,
    frame_size: tuple[int, int],
    margin: int = CROP_MARGIN,
    crop_size: int = NED_SIZE,
) -> np.ndarray:
    """Boxes (T, 4) int64 with a margin, cut to the frame and truncated to pixels.

    The margin is `margin` of `crop_size` pixels of the crop, both sides together. Boxes at the
    border of the frame are no longer square, as released.

    Raises:
        ShapeError: if a box lies outside the frame.

    Source: NED (facenet's crop).
    """
    height, width = frame_size
    grown = margin * (boxes[:, 2:] - boxes[:, :2]) / (crop_size - margin) / 2
    low = np.maximum(boxes[:, :2] - grown, 0)
    high = np.minimum(boxes[:, 2:] + grown, np.array([width, height], boxes.dtype))
    cut = np.concatenate([low, high], axis=1).astype(np.int64)
    if not (cut[:, 2:] > cut[:, :2]).all():
        raise ShapeError(
            f"a box lies outside the frame of {width} x {height} pixels; give the size of the "
            "frames that were searched"
        )
    return cut


def cut_boxes(frames: np.ndarray, boxes: np.ndarray, size: int = NED_SIZE) -> np.ndarray:
    """Cut boxes (T, 4) out of frames (T, H, W, 3) uint8: (T, size, size, 3) uint8.

    Departs from NED in the resampling only: area means where the crop shrinks, as Pillow's
    filter there, bilinear where it grows.
    """
    crops = []
    for frame, (left, top, right, bottom) in zip(frames, boxes, strict=True):
        smaller = min(right - left, bottom - top) > size
        method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        crops.append(cv2.resize(frame[top:bottom, left:right], (size, size), interpolation=method))
    return np.stack(crops)
