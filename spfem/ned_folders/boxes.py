"""`videos/<name>.txt`: where each crop lies in its video; and `_frame_info.txt` of SCMCL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.errors import InputError

FRAME_INFO = "_frame_info.txt"
_HEADER = re.compile(r"(?P<video>.+) (?P<fps>[0-9.eE+-]+) fps (?P<frames>\d+) frames")


@dataclass(frozen=True)
class VideoInfo:
    """What a box file says.

    Attributes:
        name: of the video, without suffix.
        fps: frames per second.
        boxes: (T, 4) int64 left, top, right, bottom, the last two exclusive.
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

    Raises:
        InputError: if the file is damaged, or boxes are empty or of another number than the
            header says.
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
        if (
            left_over
            or not repeated
            or (boxes.reshape(repeated, frames, 4) != boxes[:frames]).any()
        ):
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
    lines, index = [], 0
    for name, frames in names:
        for i in range(frames):
            lines.append(f"{name}_{i} {index}\n")
            index += 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


def read_frame_info(path: Path) -> list[tuple[str, list[int]]]:
    """Videos in order, each with the global indices of its frames.

    Raises:
        InputError: if a line is damaged, or frames of a video are not counted from 0.
    """
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
