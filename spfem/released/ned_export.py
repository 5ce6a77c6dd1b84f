"""What NED's preprocessing would have made of a clip, from this package's own track of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spfem.errors import InputError, ShapeError
from spfem.face.align import invert, umeyama, unalign_face
from spfem.face.conditions import ConditionPainter
from spfem.face.landmarks import FACE_OVAL
from spfem.face.track import FaceTrack
from spfem.files import write_json, writing
from spfem.head.model import load_head_model
from spfem.released.deca import LEFT_IN_IMAGE_EYE, RIGHT_IN_IMAGE_EYE, Deca, points_68
from spfem.released.deca_codes import write_frame_codes
from spfem.released.deca_conditions import (
    align_masked,
    draw_deca_conditions,
    encode_faces,
    seen_eyes,
    transform_points,
    warp_indices,
)
from spfem.released.ned import CODES, TABLES, NedClip, compose, crop_matrices, from_indices
from spfem.released.ned_files import (
    FRAME_INFO,
    NED_SIZE,
    SEQUENCE_FRAMES,
    VideoInfo,
    cut_boxes,
    frame_path,
    grow_boxes,
    smooth_boxes,
    square_boxes,
    write_boxes,
    write_frame_info,
    write_picture,
    write_table,
)

MOUTH = slice(48, 68)  # of the 68 points
TEMPLATE = {  # pixel indices of 256; eyes are the means of their six points
    "left eye": (94.83, 110.0),
    "right eye": (155.83, 109.5),
    "nose tip": (126.0, 149.0),
    "chin": (128.0, 220.0),
    "left corner of the mouth": (100.0, 174.0),
    "right corner of the mouth": (153.0, 174.0),
    "all points": (126.0, 145.99),
}


@dataclass(frozen=True)
class CropPlaces:
    """Where NED's crops of a clip of T frames lie, and the face in them.

    Attributes:
        boxes: (T, 4) int64 left, top, right, bottom in the frame, the last two exclusive.
        to_crop: (T, 2, 3) frame to crop pixels (first centre at 0.5).
        points: (T, 68, 2) crop pixels (first centre at 0.5); in frames without a face those of
            the last one with it.
        transforms: (T, 2, 3) crop to aligned pixels, for pixel indices.
    """

    boxes: np.ndarray
    to_crop: np.ndarray
    points: np.ndarray
    transforms: np.ndarray

    @property
    def align(self) -> np.ndarray:
        """Frame to aligned pixels (T, 2, 3), first centre at 0.5."""
        return compose(from_indices(self.transforms), self.to_crop)


def place_crops(
    landmarks: np.ndarray, found: np.ndarray, frame_size: tuple[int, int]
) -> CropPlaces:
    """Crops of 256 pixels as NED cuts them, from the tracker's landmarks (T, 478, 3).

    `found` (T,) bool tells frames with a face; `frame_size` is (H, W) pixels.

    Source: spec `face_pipeline.md` 1.1, 1.2. Departures: boxes surround the tracker's outline of
    the face instead of MTCNN's detection, smoothed over the whole clip; the 68 points are the
    tracker's (`points_68`); the similarity is fitted once, without the four shifted detections,
    to the places of NED's template that are known (`TEMPLATE`).
    """
    outline = landmarks[:, list(FACE_OVAL), :2]
    around = np.concatenate([outline.min(1), outline.max(1)], 1)
    boxes = grow_boxes(square_boxes(smooth_boxes(around)), frame_size)
    to_crop = crop_matrices(boxes)
    points = points_68(landmarks)
    points = points @ to_crop[:, :, :2].transpose(0, 2, 1) + to_crop[:, None, :, 2]
    points = points[_last_found(found)]
    return CropPlaces(
        boxes, to_crop, points, np.stack([template_transform(own - 0.5) for own in points])
    )


def masks_in_crops(masks: np.ndarray, align: np.ndarray, to_crop: np.ndarray) -> np.ndarray:
    """Masks (T, 256, 256) uint8 in NED's crops, of aligned masks (T, S, S) of a track.

    `align` (T, 2, 3) goes from frame pixels to the masks, `to_crop` (T, 2, 3) to the crops.
    """
    from_aligned = compose(to_crop, invert(align.astype(np.float64)))
    size = (NED_SIZE, NED_SIZE)
    both = zip(masks, from_aligned, strict=True)
    return np.stack([unalign_face(mask, invert(m), size, nearest=True) for mask, m in both])


def ned_clip_of_track(
    name: str,
    frames: np.ndarray,
    track: FaceTrack,
    *,
    mouth: bool = False,
    deca: Deca | None = None,
) -> NedClip:
    """Every folder of NED's preprocessing as arrays, 256 pixels a side.

    With `deca`, codes and the NMFC and shape images are DECA's, as NED's networks know them.
    Without, there are no codes (the units of our head model are no FLAME coefficients), and the
    images are drawn from our head: they have the same meaning and layout, but another mesh, so
    that renderers must be trained on them.

    Frames (T, H, W, 3) are uint8 RGB; those that do not belong to the track are a `ShapeError`.
    With `mouth` its 20 points follow the eye landmarks (NED's training).

    Source: spec `face_pipeline.md` 1.1 to 1.5. Departures: those of `place_crops`; masks are those
    of the track.
    """
    if frames.shape[:3] != (len(track), *track.frame_size):
        raise ShapeError(
            f"frames {frames.shape} are not of a track {len(track), *track.frame_size}"
        )
    places = place_crops(track.landmarks, track.found, track.frame_size)
    images = cut_boxes(frames, places.boxes)
    eyes = seen_eyes(images, places.points).astype(np.float64)
    if mouth:
        eyes = np.concatenate([eyes, places.points[:, MOUTH] - 0.5], 1)
    masks = masks_in_crops(track.masks, track.align, places.to_crop)
    codes = None
    if deca is None:
        nmfc, shape = _draw_own_head(track, places.to_crop)
    else:
        codes = encode_faces(deca.networks, images, places.points)
        nmfc, shape = draw_deca_conditions(deca, codes)
    arrays = {
        "images": images,
        "masks": masks,
        "faces": np.where(masks[..., None] == 0, 0, images).astype(np.uint8),
        "eye_landmarks": eyes,
        "align_transforms": places.transforms,
        "nmfcs": nmfc,
        "shapes": shape,
    }
    arrays |= aligned_arrays(arrays)
    return NedClip(name, track.fps, track.frame_size, arrays, places.boxes, codes)


def _last_found(found: np.ndarray) -> np.ndarray:
    """For each frame (T,) the last one with a face up to it, as NED; before the first, the first.

    All frames themselves if none has a face.
    """
    if not found.any():
        return np.arange(len(found))
    numbers = np.where(found, np.arange(len(found)), -1)
    last = np.maximum.accumulate(numbers)
    return np.where(last < 0, np.argmax(found), last)


def aligned_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The `..._aligned` folders of the others, as NED's align makes them.

    Source: spec `face_pipeline.md` 1.5: Lanczos for pictures, nearest for masks, zero border;
    landmarks as real numbers.
    """
    transforms = arrays["align_transforms"]
    pairs = [
        align_masked(face, mask, matrix)
        for face, mask, matrix in zip(arrays["faces"], arrays["masks"], transforms, strict=True)
    ]
    aligned = {
        "faces_aligned": np.stack([face for face, _ in pairs]),
        "masks_aligned": np.stack([mask for _, mask in pairs]),
    }
    for name in ("nmfcs", "shapes"):
        both = zip(arrays[name], transforms, strict=True)
        aligned[f"{name}_aligned"] = np.stack([warp_indices(p, m) for p, m in both])
    eyes = zip(arrays["eye_landmarks"], transforms, strict=True)
    aligned["eye_landmarks_aligned"] = np.stack([transform_points(e, m) for e, m in eyes])
    return aligned


def template_transform(points: np.ndarray) -> np.ndarray:
    """Similarity (2, 3) of 68 points (68, 2), pixel indices of a crop, to NED's template.

    Source: spec `face_pipeline.md` 1.2. NED's file of all 68 places is not part of this package;
    the seven known ones stand for it.
    """
    eyes = [points[eye].mean(0) for eye in (LEFT_IN_IMAGE_EYE, RIGHT_IN_IMAGE_EYE)]
    known = [*eyes, points[30], points[8], points[48], points[54], points.mean(0)]
    return umeyama(np.array(known), np.array(list(TEMPLATE.values())))


def _draw_own_head(track: FaceTrack, to_crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes = replace(track, align=to_crop.astype(np.float32))
    images = ConditionPainter(load_head_model(), NED_SIZE).paint(codes)
    return images.nmfc, images.shape


NOTE_NAME = "made_by_spfem.json"


@dataclass(frozen=True)
class ClipToWrite:
    """One clip on its way into a folder.

    `video` is copied into `videos/`, `read_frames` gives frames (T, H, W, 3) uint8 RGB for
    `full_frames/`; None where they are not at hand.
    """

    clip: NedClip
    video: Path | None = None
    read_frames: Callable[[], Iterable[np.ndarray]] | None = None


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder`, which takes its name only if the block succeeds.

    Nothing is added to foreign files: one that is not empty is an `InputError`.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} (--out) exists and is not empty; name a new folder")
    with writing(folder) as aside:
        aside.mkdir()
        yield aside


def write_ned_folder(folder: Path, clips: Iterable[ClipToWrite], *, split: bool = False) -> int:
    """Write the folder of one person; give the number of frames, counted over all clips.

    With `split` (NED's training) they lie in sub-folders of 50,
    no clip begins within one (NED lets them straddle), and what is left at the end of a clip is
    dropped, as NED drops it at the end of the last. Without it (NED's test) the boxes and, where
    they are at hand, the whole frames are written as well.

    `made_by_spfem.json` says what was left out and why. Written aside by the caller's `new_folder`.

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
    def path(name: str, i: int, suffix: str) -> Path:
        return frame_path(folder / name, start + i, suffix, split=split)

    for i in range(count):
        for name, array in clip.arrays.items():
            if name in TABLES:
                write_table(path(name, i, ".txt"), array[i])
            else:
                picture = array[i]
                if name == "masks_aligned":  # three channels, as released
                    picture = np.repeat(picture[..., None], 3, axis=-1)
                write_picture(path(name, i, ".png"), picture)
        if clip.codes is not None:
            write_frame_codes(path(CODES, i, ".pkl"), clip.codes, i)
    return set(clip.arrays) | ({CODES} if clip.codes is not None else set())


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
