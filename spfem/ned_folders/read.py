"""Read a folder that NED or SCMCL preprocessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.errors import InputError
from spfem.flame.codes import read_released_codes
from spfem.media.probe import probe_video
from spfem.ned_folders.boxes import FRAME_INFO, VideoInfo, read_boxes, read_frame_info
from spfem.ned_folders.clip import CODES, MASKS, PICTURES, TABLE_ROWS, TABLES, NedClip
from spfem.ned_folders.frames import list_frames, read_picture, read_table

DEFAULT_FPS = 30.0  # NED's own, where no box file says
_SUFFIXES = (
    dict.fromkeys(PICTURES + MASKS, ".png") | dict.fromkeys(TABLES, ".txt") | {CODES: ".pkl"}
)


@dataclass(frozen=True)
class NedFolder:
    """What lies in a folder, found and counted but not read.

    Attributes:
        folder: of one person.
        files: folder name -> frame number -> file; every folder has the same frames.
        videos: name, fps, boxes (None if unknown) and frame numbers of each video.
    """

    folder: Path
    files: dict[str, dict[int, Path]]
    videos: tuple[tuple[str, float, np.ndarray | None, tuple[int, ...]], ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Folders of a full preprocessing that are not there."""
        return tuple(name for name in _SUFFIXES if name not in self.files)


def open_ned_folder(folder: Path) -> NedFolder:
    """Find the frames of a folder of one person, flat or in sub-folders of 50.

    All folders of frames must hold the same ones. Frames are shared out among videos by
    `videos/_frame_info.txt` (SCMCL) or the box files (`--save_videos_info`); where neither is
    there, all are one clip named as the folder, at NED's 30 frames a second.

    Raises:
        InputError: if it is no such folder, or files are missing or contradict each other.

    Source: spec `face_pipeline.md` 0, 1.6, 9.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one with images/ of one person")
    files = {}
    for name, suffix in _SUFFIXES.items():
        if (folder / name).is_dir() and (frames := list_frames(folder / name, suffix)):
            files[name] = frames
    first = next((name for name in ("images", "faces_aligned") if name in files), None)
    if first is None:
        raise InputError(
            f"{folder} has frames neither in images nor in faces_aligned; give the folder of one "
            "person that NED's preprocess.sh made"
        )
    wanted = set(files[first])
    for name, frames in files.items():
        if lost := sorted(wanted - set(frames)):
            raise InputError(
                f"{folder / name} lacks {len(lost)} of the {len(wanted)} frames of {first}, the "
                f"first: {lost[0]:06d}; preprocess the folder again, from an empty {name}"
            )
        if extra := sorted(set(frames) - wanted):
            raise InputError(
                f"{folder / name} has {len(extra)} frames that {first} lacks, the first: "
                f"{extra[0]:06d}; preprocess the folder again, from an empty {name}"
            )
    order = sorted(wanted)
    if order != list(range(order[0], order[0] + len(order))):
        gap = next(i for i, index in enumerate(order) if index != order[0] + i)
        raise InputError(f"{folder / first} lacks frame {order[0] + gap:06d} in its midst")
    return NedFolder(folder, files, tuple(_share_out(folder, order)))


def _share_out(
    folder: Path, order: list[int]
) -> Iterator[tuple[str, float, np.ndarray | None, tuple[int, ...]]]:
    """Name, fps, boxes and frames of each video."""
    paths = sorted((folder / "videos").rglob("*.txt"))
    known = [read_boxes(path) for path in paths if not path.name.startswith("_")]
    infos = {info.name: info for info in known}
    listing = folder / "videos" / FRAME_INFO
    if listing.is_file():
        videos = read_frame_info(listing)
    elif infos:
        starts = np.cumsum([0, *(len(info.boxes) for info in known)]).tolist()
        ranges = zip(known, starts, strict=False)
        videos = [(v.name, list(range(start, start + len(v.boxes)))) for v, start in ranges]
    else:
        yield folder.resolve().name, DEFAULT_FPS, None, tuple(order)
        return
    there, told = set(order), [index for _, frames in videos for index in frames]
    if told != list(range(len(told))) or not there <= set(told):
        raise InputError(
            f"{folder / 'videos'} tells of {len(told)} frames, which are not the {len(order)} that "
            f"are there ({order[0]} to {order[-1]}); preprocess the folder again from its start"
        )
    for name, frames in videos:
        kept = [i for i, index in enumerate(frames) if index in there]  # `--split` drops the last
        info: VideoInfo | None = infos.get(name)
        if info is not None and len(info.boxes) != len(frames):
            raise InputError(f"{folder}: {name} has {len(info.boxes)} boxes, {len(frames)} frames")
        if kept:
            boxes = None if info is None else info.boxes[kept]
            fps = DEFAULT_FPS if info is None else info.fps
            yield name, fps, boxes, tuple(frames[i] for i in kept)


def read_clips(opened: NedFolder) -> Iterator[NedClip]:
    """Read one video after the other; a clip of T frames takes about 1.2 T megabytes.

    Raises:
        InputError: if a file is damaged or of another size than the others.
    """
    for name, fps, boxes, frames in opened.videos:
        arrays, codes = {}, None
        for folder, files in opened.files.items():
            paths = [files[index] for index in frames]
            if folder == CODES:
                codes = read_released_codes(paths)
            elif folder in TABLES:
                columns = 3 if folder == "align_transforms" else 2
                tables = [read_table(path, TABLE_ROWS[folder], columns) for path in paths]
                arrays[folder] = _stack(tables, paths)
            else:
                pictures = [read_picture(path, grey=folder in MASKS) for path in paths]
                arrays[folder] = _stack(pictures, paths)
        for mask in set(MASKS) & set(arrays):
            arrays[mask] = np.where(arrays[mask] >= 128, 255, 0).astype(np.uint8)
        _check_sizes(opened.folder, name, arrays)
        size = _frame_size(opened.folder, name, frames[0])
        if size is None:
            boxes = None  # without the size of the video they place nothing
            size = next(arrays[n].shape[1:3] for n in ("images", "faces_aligned") if n in arrays)
        yield NedClip(name, fps, (int(size[0]), int(size[1])), arrays, boxes, codes)


def _stack(arrays: list[np.ndarray], paths: list[Path]) -> np.ndarray:
    for array, path in zip(arrays, paths, strict=True):
        if array.shape != arrays[0].shape:
            raise InputError(f"{path} is {array.shape}, but {paths[0].name} is {arrays[0].shape}")
    return np.stack(arrays)


def _check_sizes(folder: Path, name: str, arrays: dict[str, np.ndarray]) -> None:
    first = next(n for n in ("images", "faces_aligned") if n in arrays)
    side = arrays[first].shape[1]
    for other, array in arrays.items():
        if other not in TABLES and array.shape[1:3] != (side, side):
            raise InputError(
                f"{folder / other}: pictures of {name} are {array.shape[2]} x {array.shape[1]}; "
                f"all folders must hold squares of one size, {first} has {side}"
            )


def _frame_size(folder: Path, name: str, index: int) -> tuple[int, int] | None:
    """Height and width of the video's frames, if they were saved or the video is there."""
    for path in (
        folder / "full_frames" / f"{index:06d}.png",
        folder / "full_frames" / f"{index // 50:06d}" / f"{index:06d}.png",
    ):
        if path.is_file():
            height, width = read_picture(path).shape[:2]
            return height, width
    for path in sorted((folder / "videos").rglob("*.mp4")):
        if path.stem == name:
            facts = probe_video(path)
            return facts.height, facts.width
    return None
