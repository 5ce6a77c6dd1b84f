"""Folders of NED and SCMCL: one clip as arrays, read from them and written for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.errors import InputError
from spfem.media.probe import probe_video
from spfem.released.deca_codes import DecaCodes, read_released_codes, to_expression
from spfem.released.deca_conditions import EYE_POINTS, draw_eyes
from spfem.released.ned_files import (
    FRAME_INFO,
    NED_SIZE,
    VideoInfo,
    frame_path,
    list_frames,
    read_boxes,
    read_frame_info,
    read_picture,
    read_table,
)
from spfem.renderer.data import RendererClip, stack_conditions

PICTURES = (  # folders of RGB pictures, one a frame
    "images", "faces", "faces_aligned", "nmfcs", "nmfcs_aligned", "shapes", "shapes_aligned",
)  # fmt: skip
MASKS = ("masks", "masks_aligned")
CODES = "DECA"
MOUTH_POINTS = 20  # rows of the mouth, after those of the eyes
EYE_ROWS = (EYE_POINTS, EYE_POINTS + MOUTH_POINTS)
TABLE_SHAPES = {  # rows that are possible, and columns
    "eye_landmarks": (EYE_ROWS, 2),
    "eye_landmarks_aligned": (EYE_ROWS, 2),
    "align_transforms": ((2,), 3),
}
TABLES = tuple(TABLE_SHAPES)
MOUTH_CENTRE = (126.5, 174.0)  # between the corners of the mouth in NED's template of 256 pixels


@dataclass(frozen=True)
class NedClip:
    """One clip of T frames as NED's preprocessing leaves it.

    Attributes:
        name: of the video, without suffix.
        fps: frames per second.
        frame_size: (H, W) of the video; (S, S), that of the crops, where it is unknown.
        arrays: folder name -> (T, ...). Pictures (T, S, S, 3) uint8 RGB: `images` are the square
            crops of the video, `..._aligned` lie in the template's place. Masks (T, S, S) uint8,
            0 or 255. `eye_landmarks` (T, 14 or 34, 2) float64 pixel indices (the first pixel's
            centre is 0): outlines of both eyes, the two pupils, and perhaps the mouth.
            `align_transforms` (T, 2, 3) float64, crop to aligned, pixel indices.
        boxes: (T, 4) int64 left, top, right, bottom of the crop in the video, the last two
            exclusive; None where the folder does not say.
        codes: DECA's; None where the folder has none.
    """

    name: str
    fps: float
    frame_size: tuple[int, int]
    arrays: Mapping[str, np.ndarray]
    boxes: np.ndarray | None = None
    codes: DecaCodes | None = None

    def __len__(self) -> int:
        """Frames."""
        return len(self.arrays[_first_of(self.arrays)])

    @property
    def size(self) -> int:
        """S, side of every picture in pixels."""
        return int(self.arrays[_first_of(self.arrays)].shape[1])

    @property
    def align(self) -> np.ndarray:
        """Video to aligned pixels (T, 2, 3) float32 as in `FaceTrack` (first centre at 0.5).

        Without boxes, the crop stands for the video.
        """
        matrices = from_indices(self.need("align_transforms"))
        if self.boxes is not None:
            matrices = compose(matrices, crop_matrices(self.boxes, self.size))
        return matrices.astype(np.float32)

    @property
    def expression(self) -> np.ndarray:
        """The manipulator's vectors (T, 51) of the FLAME route, see `to_expression`."""
        if self.codes is None:
            raise InputError(f"clip {self.name} has no DECA codes; run NED's reconstruct first")
        return to_expression(self.codes)

    def need(self, folder: str) -> np.ndarray:
        """The array (T, ...) of a folder; an `InputError` if the clip has none."""
        if folder not in self.arrays:
            raise InputError(
                f"clip {self.name} has no {folder}; run NED's preprocessing to its end"
            )
        return self.arrays[folder]


def _first_of(arrays: Mapping[str, object]) -> str:
    """The folder that the others are held to."""
    return "images" if "images" in arrays else "faces_aligned"


def to_renderer_clip(clip: NedClip) -> RendererClip:
    """What a renderer of NED's layout learns from: ten channels NMFC, eyes, shape and mask.

    The eye image is drawn from the aligned landmarks. Where they lack the mouth (NED's test mode),
    its centre is that of NED's template. An aligned folder that is missing is an `InputError`.

    Source: spec `manipulator_and_renderer.md` D2.
    """
    eyes = clip.need("eye_landmarks_aligned")
    conditions = stack_conditions(
        clip.need("nmfcs_aligned"),
        clip.need("shapes_aligned"),
        draw_eyes(eyes[:, :EYE_POINTS].astype(np.int32), clip.size, clip.size),
        clip.need("masks_aligned"),
    )
    mouth = np.tile(np.array(MOUTH_CENTRE, np.float32) * (clip.size / NED_SIZE), (len(clip), 1))
    if eyes.shape[1] > EYE_POINTS:
        mouth = np.median(eyes[:, EYE_POINTS:], 1).astype(np.int32).astype(np.float32)
    eye_centres = np.median(eyes[:, :EYE_POINTS], 1).astype(np.int32).astype(np.float32)
    return RendererClip(conditions, clip.need("faces_aligned"), mouth, eye_centres=eye_centres)


def crop_matrices(boxes: np.ndarray, size: int = NED_SIZE) -> np.ndarray:
    """Video to crop (T, 2, 3) float64, first centre at 0.5, of crops of boxes (T, 4)."""
    scale = size / (boxes[:, 2:] - boxes[:, :2])
    matrices = np.zeros((len(boxes), 2, 3))
    matrices[:, (0, 1), (0, 1)] = scale
    matrices[:, :, 2] = -scale * boxes[:, :2]
    return matrices


def from_indices(matrices: np.ndarray) -> np.ndarray:
    """Affine maps (T, 2, 3) of pixel indices, for places whose first centre is 0.5."""
    moved = matrices.copy()
    moved[:, :, 2] -= moved[:, :, :2] @ (0.5, 0.5) - 0.5
    return moved


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The affine maps (T, 2, 3) of `first`, then `second`."""
    linear = second[:, :, :2] @ first[:, :, :2]
    shift = (second[:, :, :2] @ first[:, :, 2:])[..., 0] + second[:, :, 2]
    return np.concatenate([linear, shift[..., None]], -1)


DEFAULT_FPS = 30.0  # NED's own, where no box file says
_SUFFIXES = (
    dict.fromkeys(PICTURES + MASKS, ".png") | dict.fromkeys(TABLES, ".txt") | {CODES: ".pkl"}
)


Video = tuple[str, float, np.ndarray | None, tuple[int, ...]]
"""Name, fps, boxes (None if unknown) and frame numbers of a video."""


@dataclass(frozen=True)
class NedFolder:
    """What lies in the folder of one person, found and counted but not read.

    `files` maps folder name -> frame number -> file; every folder has the same frames.
    """

    folder: Path
    files: dict[str, dict[int, Path]]
    videos: tuple[Video, ...]

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
        lost, extra = sorted(wanted - set(frames)), sorted(set(frames) - wanted)
        if lost or extra:
            what = f"lacks {len(lost)} of the {len(wanted)} frames of {first}"
            if not lost:
                what = f"has {len(extra)} frames that {first} lacks"
            raise InputError(
                f"{folder / name} {what}, the first: {(lost or extra)[0]:06d}; preprocess the "
                f"folder again, from an empty {name}"
            )
    order = sorted(wanted)
    if order != list(range(order[0], order[0] + len(order))):
        gap = next(i for i, index in enumerate(order) if index != order[0] + i)
        raise InputError(f"{folder / first} lacks frame {order[0] + gap:06d} in its midst")
    return NedFolder(folder, files, tuple(_share_out(folder, order)))


def _share_out(folder: Path, order: list[int]) -> Iterator[Video]:
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
                shapes = TABLE_SHAPES[folder]
                arrays[folder] = _stack([read_table(path, *shapes) for path in paths], paths)
            else:
                grey = folder in MASKS
                arrays[folder] = _stack([read_picture(p, grey=grey) for p in paths], paths)
        for mask in set(MASKS) & set(arrays):
            arrays[mask] = np.where(arrays[mask] >= 128, 255, 0).astype(np.uint8)
        first = _first_of(arrays)
        side = arrays[first].shape[1]
        for other, array in arrays.items():
            if other not in TABLES and array.shape[1:3] != (side, side):
                raise InputError(
                    f"{opened.folder / other}: pictures of {name} are {array.shape[2]} x "
                    f"{array.shape[1]}; all folders hold squares of one size, {first} has {side}"
                )
        size = _frame_size(opened.folder, name, frames[0])
        if size is None:  # without the size of the video boxes place nothing
            size, boxes = (side, side), None
        yield NedClip(name, fps, size, arrays, boxes, codes)


def _stack(arrays: list[np.ndarray], paths: list[Path]) -> np.ndarray:
    for array, path in zip(arrays, paths, strict=True):
        if array.shape != arrays[0].shape:
            raise InputError(f"{path} is {array.shape}, but {paths[0].name} is {arrays[0].shape}")
    return np.stack(arrays)


def _frame_size(folder: Path, name: str, index: int) -> tuple[int, int] | None:
    """Height and width of the video's frames, if they were saved or the video is there."""
    for split in (False, True):
        path = frame_path(folder / "full_frames", index, ".png", split=split)
        if path.is_file():
            height, width = read_picture(path).shape[:2]
            return height, width
    for path in sorted((folder / "videos").rglob("*.mp4")):
        if path.stem == name:
            facts = probe_video(path)
            return facts.height, facts.width
    return None
