"""Write a folder that NED and SCMCL take for one that they preprocessed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.artifacts import write_json, writing
from spfem.errors import InputError
from spfem.ned_folders.boxes import FRAME_INFO, VideoInfo, write_boxes, write_frame_info
from spfem.ned_folders.clip import CODES, TABLES, NedClip
from spfem.ned_folders.codes_files import write_frame_codes
from spfem.ned_folders.frames import SEQUENCE_FRAMES, frame_path, write_picture, write_table

NOTE_NAME = "made_by_spfem.json"


@dataclass(frozen=True)
class ClipToWrite:
    """One clip on its way into a folder.

    Attributes:
        clip: its arrays.
        video: the file, copied into `videos/`; None if it is not at hand.
        read_frames: gives the frames (T, H, W, 3) uint8 RGB for `full_frames/`; None for none.
    """

    clip: NedClip
    video: Path | None = None
    read_frames: Callable[[], Iterable[np.ndarray]] | None = None


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder`, which takes its name only if the block succeeds.

    Raises:
        InputError: if `folder` exists and is not empty: nothing is added to foreign files.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} (--out) exists and is not empty; name a new folder")
    with writing(folder) as aside:
        aside.mkdir()
        yield aside


def write_ned_folder(folder: Path, clips: Iterable[ClipToWrite], *, split: bool = False) -> int:
    """Write the folder of one person; give the number of frames.

    Frames are counted over all clips. With `split` (NED's training) they lie in sub-folders of 50,
    no clip begins within one (NED lets them straddle), and what is left at the end of a clip is
    dropped, as NED drops it at the end of the last. Without it (NED's test) the boxes and, where
    they are at hand, the whole frames are written as well.

    `made_by_spfem.json` says what was left out and why. The folder must not exist; its parent's
    caller writes aside, see `new_folder`.

    Raises:
        InputError: if no frame is left, or two clips have one name.

    Source: spec `face_pipeline.md` 0, 1.1, 1.6, 9.
    """
    start = 0
    listed: list[tuple[str, int]] = []
    dropped: list[str] = []
    folders: set[str] = set()
    for item in clips:
        clip = item.clip
        if clip.name in (name for name, _ in listed):
            raise InputError(f"two clips are called {clip.name}; rename one of the videos")
        count = len(clip) // SEQUENCE_FRAMES * SEQUENCE_FRAMES if split else len(clip)
        if count < len(clip):
            dropped.append(f"{clip.name}: {len(clip) - count} frames at the end")
        if not count:
            continue
        folders |= _write_frames(folder, clip, start, count, split=split)
        _write_video(folder, item, start, split=split)
        listed.append((clip.name, count))
        start += count
    if not start:
        raise InputError(
            f"no clip has {SEQUENCE_FRAMES} frames, which --split needs; leave it out"
            if dropped
            else "there is no clip to write"
        )
    write_frame_info(folder / "videos" / FRAME_INFO, listed)
    notes: dict[str, object] = {"folders": sorted(folders), "frames": start, "dropped": dropped}
    if CODES not in folders:
        notes["no DECA"] = (
            "the codes of the default head model are no FLAME coefficients; export again with "
            "--deca and the files of FLAME and DECA"
        )
    write_json(folder / NOTE_NAME, notes)
    return start


def _write_frames(folder: Path, clip: NedClip, start: int, count: int, *, split: bool) -> set[str]:
    for name, array in clip.arrays.items():
        for i in range(count):
            if name in TABLES:
                path = frame_path(folder / name, start + i, ".txt", split=split)
                write_table(path, array[i])
            else:
                path = frame_path(folder / name, start + i, ".png", split=split)
                picture = array[i]
                if name == "masks_aligned":  # three channels, as released
                    picture = np.repeat(picture[..., None], 3, axis=-1)
                write_picture(path, picture)
    if clip.codes is None:
        return set(clip.arrays)
    for i in range(count):
        path = frame_path(folder / CODES, start + i, ".pkl", split=split)
        write_frame_codes(path, clip.codes, i)
    return {*clip.arrays, CODES}


def _write_video(folder: Path, item: ClipToWrite, start: int, *, split: bool) -> None:
    clip, videos = item.clip, folder / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    video = videos / f"{clip.name}.mp4"
    if item.video is not None and item.video.suffix == ".mp4":  # NED looks for no other
        shutil.copyfile(item.video, video)
    if split or clip.boxes is None:
        return
    info = VideoInfo(clip.name, clip.fps, clip.boxes)
    write_boxes(video.with_suffix(".txt"), info, f"videos/{video.name}")
    if item.read_frames is not None:
        for i, frame in enumerate(item.read_frames()):
            write_picture(frame_path(folder / "full_frames", start + i, ".png"), frame)
