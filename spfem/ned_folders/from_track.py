"""What NED's preprocessing would have made of a clip, from this package's own track of it."""

from __future__ import annotations

import numpy as np

from spfem.errors import ShapeError
from spfem.face.align import invert, umeyama, unalign_face
from spfem.face.conditions import ConditionPainter, HeadCodes
from spfem.face.detector_boxes import crop_faces, face_crop_boxes
from spfem.face.landmark_sets import FACE_OVAL
from spfem.face.track_file import FaceTrack
from spfem.face.warp import align_masked, transform_points, warp_indices
from spfem.flame.codes import DecaCodes
from spfem.flame.eyes import seen_eyes
from spfem.flame.load import Deca
from spfem.flame.points_68 import LEFT_IN_IMAGE_EYE, POINTS, RIGHT_IN_IMAGE_EYE, points_68
from spfem.head import load_head_model
from spfem.ned_folders.clip import NED_SIZE, NedClip, compose, crop_matrices

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

    Source: spec `face_pipeline.md` 1.1 to 1.5. Departures: boxes surround the tracker's outline of
    the face instead of MTCNN's detection, smoothed over the whole clip; the 68 points are the
    tracker's (`points_68`), in frames without a face those of the last one with it; the similarity
    is fitted once, without the four shifted detections, to the places of NED's template that are
    known (`TEMPLATE`); masks are those of the track.
    """
    if frames.shape[:3] != (len(track), *track.frame_size):
        raise ShapeError(
            f"frames {frames.shape} are not of a track {len(track), *track.frame_size}"
        )
    outline = track.landmarks[:, list(FACE_OVAL), :2]
    around = np.concatenate([outline.min(1), outline.max(1)], 1)
    boxes = face_crop_boxes(around, np.ones(len(track), bool), track.frame_size)
    to_crop = crop_matrices(boxes)
    images = crop_faces(frames, boxes)
    points = points_68(track.landmarks)
    points = points @ to_crop[:, :, :2].transpose(0, 2, 1) + to_crop[:, None, :, 2]
    points = points[_last_found(track.found)]
    eyes = _eyes(images, points)
    if mouth:
        eyes = np.concatenate([eyes, points[:, MOUTH] - 0.5], 1)
    transforms = np.stack([template_transform(own - 0.5) for own in points])
    from_aligned = compose(to_crop, invert(track.align.astype(np.float64)))
    masks = np.stack(
        [
            unalign_face(mask, invert(matrix), (NED_SIZE, NED_SIZE), nearest=True)
            for mask, matrix in zip(track.masks, from_aligned, strict=True)
        ]
    )
    codes = None
    if deca is None:
        nmfc, shape = _draw_own_head(track, to_crop)
    else:
        codes, nmfc, shape = _draw_deca(deca, images, points)
    arrays = {
        "images": images,
        "masks": masks,
        "faces": np.where(masks[..., None] == 0, 0, images).astype(np.uint8),
        "eye_landmarks": eyes,
        "align_transforms": transforms,
        "nmfcs": nmfc,
        "shapes": shape,
    }
    arrays |= aligned_arrays(arrays)
    return NedClip(name, track.fps, track.frame_size, arrays, boxes, codes)


def _last_found(found: np.ndarray) -> np.ndarray:
    """For each frame (T,) the last one with a face up to it, as NED; before the first, the first.

    All frames themselves if none has a face.
    """
    if not found.any():
        return np.arange(len(found))
    numbers = np.where(found, np.arange(len(found)), -1)
    last = np.maximum.accumulate(numbers)
    return np.where(last < 0, np.argmax(found), last)


def _eyes(images: np.ndarray, points: np.ndarray) -> np.ndarray:
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


def _draw_deca(
    deca: Deca, images: np.ndarray, points: np.ndarray
) -> tuple[DecaCodes, np.ndarray, np.ndarray]:
    from spfem.flame.route import draw_conditions, encode_faces

    codes = encode_faces(deca.networks, images, points)
    drawn = draw_conditions(deca, codes)
    return codes, drawn.nmfc, drawn.shape
