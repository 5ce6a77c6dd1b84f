"""What NED's preprocessing would have made of a clip, from this package's own track of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from spfem.errors import FaceNotFoundError, ShapeError
from spfem.face.align import invert, umeyama, unalign_face
from spfem.face.conditions import ConditionPainter, HeadCodes
from spfem.face.landmark_sets import FACE_OVAL
from spfem.face.track_file import FaceTrack
from spfem.head import load_head_model
from spfem.released.deca import LEFT_IN_IMAGE_EYE, POINTS, RIGHT_IN_IMAGE_EYE, points_68
from spfem.released.deca_conditions import (
    align_masked,
    draw_conditions,
    encode_faces,
    seen_eyes,
    transform_points,
    warp_indices,
)
from spfem.released.flame_files import Deca
from spfem.released.ned import NED_SIZE, NedClip, compose, crop_matrices, from_indices

CROP_MARGIN = 70  # pixels of the crop that are not box, both sides together
MEDIAN_FRAMES = 49  # window of the smoothing


def face_crop_boxes(
    boxes: np.ndarray,
    present: np.ndarray,
    frame_size: tuple[int, int],
    *,
    recentre: float = 0.0,
) -> np.ndarray:
    """From detections of a clip to the boxes that `cut_boxes` cuts.

    Fills, smooths, squares and grows, as the functions below, over the whole clip at once.
    Departs from NED, which smooths chunks of 500 frames for themselves, so that its crops jump
    every 500 frames.

    Args:
        boxes: (T, 4) detections x0, y0, x1, y1 in frame pixels; rows without one are not read.
        present: (T,) bool, whether the frame has a detection.
        frame_size: (H, W) pixels.
        recentre: moves the crop down, in box heights.

    Returns:
        (T, 4) int64 x0, y0, x1, y1 inside the frame; x1 and y1 are exclusive.

    Raises:
        ShapeError: if the shapes do not fit, or a box is empty.
        FaceNotFoundError: if no frame has a detection.
    """
    filled = fill_missing_boxes(boxes, present)
    return grow_boxes(square_boxes(smooth_boxes(filled), recentre), frame_size)


def fill_missing_boxes(boxes: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Boxes (T, 4), each missing one taken from the next detection, at the end from the last.

    Arguments and errors as in `face_crop_boxes`. Source: NED.
    """
    boxes, present = np.asarray(boxes), np.asarray(present).astype(bool)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or present.shape != boxes.shape[:1]:
        raise ShapeError(f"boxes {boxes.shape} and present {present.shape} must be (T, 4) and (T,)")
    found = np.flatnonzero(present)
    if not len(found):
        raise FaceNotFoundError(
            f"the detector found no face in any of the {len(boxes)} frames; give a clip that "
            "shows one"
        )
    if not (boxes[found, 2:] > boxes[found, :2]).all():  # also false for nan
        raise ShapeError("a box is empty or not finite; boxes are x0, y0, x1, y1 in pixels")
    following = np.searchsorted(found, np.arange(len(boxes)))
    return boxes[found[np.minimum(following, len(found) - 1)]]


def smooth_boxes(boxes: np.ndarray, window_frames: int = MEDIAN_FRAMES) -> np.ndarray:
    """Median over time of each coordinate of boxes (T, 4), mirrored at the ends.

    The window is cut to the clip and made odd (one frame less). Source: NED.
    """
    from scipy.ndimage import median_filter

    window = min(window_frames, len(boxes))
    window -= 1 - window % 2
    return median_filter(boxes, size=(window, 1), mode="reflect")


def square_boxes(boxes: np.ndarray, recentre: float = 0.0) -> np.ndarray:
    """Boxes (T, 4) made as wide as they are high, about their middle, and moved down.

    `recentre` is in box heights. Source: NED.
    """
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


class Tracked(Protocol):
    """What has landmarks of T frames, such as a `FaceTrack` or a `ClipTrack`."""

    @property
    def frame_size(self) -> tuple[int, int]:
        """(H, W) pixels."""
        ...

    @property
    def found(self) -> np.ndarray:
        """(T,) bool, frames with a face."""
        ...

    @property
    def landmarks(self) -> np.ndarray:
        """(T, 478, 3) frame pixels."""
        ...


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


def place_crops(track: Tracked) -> CropPlaces:
    """Crops of 256 pixels as NED cuts them, from the tracker's landmarks.

    Source: spec `face_pipeline.md` 1.1, 1.2. Departures: boxes surround the tracker's outline of
    the face instead of MTCNN's detection, smoothed over the whole clip; the 68 points are the
    tracker's (`points_68`); the similarity is fitted once, without the four shifted detections,
    to the places of NED's template that are known (`TEMPLATE`).
    """
    outline = track.landmarks[:, list(FACE_OVAL), :2]
    around = np.concatenate([outline.min(1), outline.max(1)], 1)
    boxes = face_crop_boxes(around, np.ones(len(around), bool), track.frame_size)
    to_crop = crop_matrices(boxes)
    points = points_68(track.landmarks)
    points = points @ to_crop[:, :, :2].transpose(0, 2, 1) + to_crop[:, None, :, 2]
    points = points[_last_found(track.found)]
    return CropPlaces(
        boxes, to_crop, points, np.stack([template_transform(own - 0.5) for own in points])
    )


def masks_in_crops(masks: np.ndarray, align: np.ndarray, to_crop: np.ndarray) -> np.ndarray:
    """Masks (T, 256, 256) in NED's crops, of aligned masks (T, S, S) of a track.

    Args:
        masks: of the track, uint8.
        align: (T, 2, 3) frame pixels to those of the masks.
        to_crop: (T, 2, 3) of the crops.
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

    Args:
        name: of the video, without suffix.
        frames: (T, H, W, 3) uint8 RGB of the clip.
        track: of the clip.
        mouth: append the 20 points of the mouth to the eye landmarks (NED's training).
        deca: the user's files, loaded; None for our own head.

    Raises:
        ShapeError: if frames and track do not belong together.

    Source: spec `face_pipeline.md` 1.1 to 1.5. Departures: those of `place_crops`; masks are those
    of the track.
    """
    if frames.shape[:3] != (len(track), *track.frame_size):
        raise ShapeError(
            f"frames {frames.shape} are not of a track {len(track), *track.frame_size}"
        )
    places = place_crops(track)
    images = cut_boxes(frames, places.boxes)
    eyes = eyes_in_crops(images, places.points)
    if mouth:
        eyes = np.concatenate([eyes, places.points[:, MOUTH] - 0.5], 1)
    masks = masks_in_crops(track.masks, track.align, places.to_crop)
    codes = None
    if deca is None:
        nmfc, shape = _draw_own_head(track, places.to_crop)
    else:
        codes = encode_faces(deca.networks, images, places.points)
        drawn = draw_conditions(deca, codes)
        nmfc, shape = drawn.nmfc, drawn.shape
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


def eyes_in_crops(images: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Eye landmarks (T, 14, 2) float64; where a picture is black, pupils lie amid their eye."""
    eyes = []
    for image, own in zip(images, points, strict=True):
        try:
            eyes.append(seen_eyes(image[None], own[None])[0])
        except ShapeError:
            outlines = np.trunc(own[[*range(36, 48)]] - 0.5)
            middles = [outlines[:6].mean(0), outlines[6:].mean(0)]
            eyes.append(np.trunc(np.concatenate([outlines, middles])))
    return np.stack(eyes).astype(np.float64)


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

    Raises:
        ShapeError: if there are not 68 points.

    Source: spec `face_pipeline.md` 1.2. NED's file of all 68 places is not part of this package;
    the seven known ones stand for it.
    """
    if points.shape != (POINTS, 2):
        raise ShapeError(f"points are {points.shape}; wanted ({POINTS}, 2)")
    known = [
        points[LEFT_IN_IMAGE_EYE].mean(0),
        points[RIGHT_IN_IMAGE_EYE].mean(0),
        points[30],
        points[8],
        points[48],
        points[54],
        points.mean(0),
    ]
    return umeyama(np.array(known), np.array(list(TEMPLATE.values())))


def _draw_own_head(track: FaceTrack, to_crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes = HeadCodes(
        track.identity,
        track.expression,
        track.rotation,
        track.scale,
        track.translation,
        to_crop.astype(np.float32),
    )
    images = ConditionPainter(load_head_model(), NED_SIZE).paint(codes)
    return images.nmfc, images.shape
