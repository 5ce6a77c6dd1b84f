"""From frames to DECA's codes, and from codes to the condition images of NED's renderer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.released.deca import (
    LEFT_IN_IMAGE_EYE,
    POINTS,
    RIGHT_IN_IMAGE_EYE,
    Deca,
    DecaNetworks,
    crop_faces,
    crop_transforms,
    points_68,
    warp_bilinear,
)
from spfem.released.deca_codes import DecaCodes, split_outputs, with_expression
from spfem.released.flame import landmarks_68, project, rotation_matrices, to_crop_pixels


def pupil_center(grey: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Darkness-weighted centroid (2,) float64 x, y of the pixels inside an eye's outline.

    Pixels of `grey` (H, W) in [0, 1] that are exactly 0 do not count; the border of `polygon`
    (N, 2), integer pixel indices x, y, belongs to the eye.

    Raises:
        ShapeError: if the shapes are wrong or the outline holds no pixel above 0.

    Source: NED (eye landmarks). Places are pixel indices: the first pixel's centre is 0.
    """
    if grey.ndim != 2 or polygon.ndim != 2 or polygon.shape[1] != 2:
        raise ShapeError(f"grey {grey.shape} and polygon {polygon.shape} must be (H, W) and (N, 2)")
    inside = np.zeros(grey.shape, np.uint8)
    cv2.fillPoly(inside, [polygon.astype(np.int32)], (1,))
    rows, columns = np.nonzero((inside == 1) & (grey != 0))
    if len(rows) == 0:
        raise ShapeError("the eye's outline holds no pixel above 0; check polygon and image")
    weights = 1 / grey[rows, columns].astype(np.float64)
    return np.array([weights @ columns, weights @ rows]) / weights.sum()


def align_masked(
    face: np.ndarray, mask: np.ndarray, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Aligned face (H, W, 3) and mask (H, W), both uint8; the face is 0 outside the mask.

    `matrix` (2, 3) goes from crop to aligned pixel indices (the first pixel's centre is 0).

    Source: NED align (Lanczos for pictures, nearest for masks, zero border).
    """
    aligned_mask = warp_indices(mask, matrix, nearest=True)
    inside = np.where(mask[..., None] == 0, 0, face).astype(np.uint8)
    aligned = warp_indices(inside, matrix)
    aligned[aligned_mask == 0] = 0
    return aligned, aligned_mask


def warp_indices(image: np.ndarray, matrix: np.ndarray, *, nearest: bool = False) -> np.ndarray:
    """`image` under a (2, 3) map of pixel indices, equal in size, zero border."""
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LANCZOS4
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=flags)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (N, 2) under a (2, 3) map; integer points stay integers, rounded."""
    moved = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    if np.issubdtype(points.dtype, np.integer):
        return np.rint(moved).astype(points.dtype)
    return moved


EYE_POINTS = 14  # six of each outline, then the two pupils
OUTLINES = (slice(0, 6), slice(6, 12))
PUPILS = (12, 13)
GREY = (0.2125, 0.7154, 0.0721)  # of red, green, blue, as scikit-image weighs them
RED = (255, 0, 0)


def seen_eyes(images: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Eye landmarks (T, 14, 2) int32, pixel indices, of images (T, H, W, 3) uint8 RGB.

    `points` are (T, 68, 2), the first pixel's centre at 0.5.

    Source: spec `face_pipeline.md` 1.2: integers cut off, pupils as dark centres. Where an eye is
    black or outside of the picture, its pupil is the middle of the outline.
    """
    eyes = np.zeros((len(images), EYE_POINTS, 2), np.int32)
    eyes[:, :12] = _outlines(points)
    for image, own in zip(images, eyes, strict=True):
        grey = image @ np.array(GREY) / 255
        for outline, pupil in zip(OUTLINES, PUPILS, strict=True):
            try:
                own[pupil] = pupil_center(grey, own[outline])
            except ShapeError:
                own[pupil] = own[outline].mean(0)
    return eyes


def edited_eyes(seen: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Eye landmarks (T, 14, 2) int32 of another expression; pupils move along with their eye.

    `seen` are those of the source, `points` (T, 68, 2) of `face_points` with the new expression.

    Source: spec `manipulator_and_renderer.md` D1.
    """
    outlines = _outlines(points, whole=False)
    pupils = [
        seen[:, pupil] + outlines[:, outline].mean(1) - seen[:, outline].mean(1)
        for outline, pupil in zip(OUTLINES, PUPILS, strict=True)
    ]
    return np.concatenate([outlines, np.stack(pupils, 1)], 1).astype(np.int32)


def draw_eyes(eyes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Eye images (T, height, width, 3) uint8: a red disc at each pupil, wide as the eye is.

    `eyes` (T, 14, 2) are int32 pixel indices.

    Source: spec `manipulator_and_renderer.md` D2.
    """
    images = np.zeros((len(eyes), height, width, 3), np.uint8)
    for image, own in zip(images, eyes, strict=True):
        for outline, pupil in zip(OUTLINES, PUPILS, strict=True):
            p = own[outline].astype(np.float64)
            radius = int((np.linalg.norm(p[1] - p[4]) + np.linalg.norm(p[2] - p[5])) / 4)
            across = np.arange(-radius, radius)
            dx, dy = (d.ravel() for d in np.meshgrid(across, across))
            x, y = own[pupil, 0] + dx, own[pupil, 1] + dy
            inside = (np.hypot(dx, dy) < radius) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            image[y[inside], x[inside]] = RED
    return images


def _outlines(points: np.ndarray, *, whole: bool = True) -> np.ndarray:
    if points.ndim != 3 or points.shape[1:] != (POINTS, 2):
        raise ShapeError(f"points are {points.shape}; wanted (T, {POINTS}, 2)")
    chosen = [points[:, eye] - 0.5 for eye in (LEFT_IN_IMAGE_EYE, RIGHT_IN_IMAGE_EYE)]
    outlines = np.concatenate(chosen, 1)
    return outlines.astype(np.int32) if whole else outlines


CHUNK_FRAMES = 16  # drawn or encoded at once, which bounds the memory
LEVEL_TOLERANCE = 1e-3  # grey levels that rounding may take from a flat area


class DrawnFaces(NamedTuple):
    """Condition images (T, H, W, 3) uint8 RGB."""

    nmfc: np.ndarray
    shape: np.ndarray


@torch.inference_mode()
def encode_faces(networks: DecaNetworks, images: np.ndarray, landmarks: np.ndarray) -> DecaCodes:
    """DECA's codes of every frame; needs no other file than `deca_model.tar`.

    Images are (T, H, W, 3) uint8 RGB; NED gives crops of 256 x 256. Landmarks are (T, 478, 2 or 3)
    of the tracker or (T, 68, 2), in pixels of the images (the first pixel's centre is 0.5); NaN
    where there is no face. Other shapes or types are a `ShapeError`.

    Source: spec `face_pipeline.md` 1.4, 2.2. Each frame is cropped once and both encoders see it;
    the released script comes by ten times. Landmarks are the tracker's, see `points_68`.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ShapeError(f"images are {images.dtype} {images.shape}; wanted uint8 (T, H, W, 3)")
    if len(landmarks) != len(images):
        raise ShapeError(f"{len(landmarks)} frames of landmarks for {len(images)} images")
    height, width = images.shape[1:3]
    points = landmarks if landmarks.shape[1:] == (POINTS, 2) else points_68(landmarks)
    crop = crop_transforms(points - 0.5, (width, height))
    outputs, device = [], next(networks.parameters()).device
    for chunk in _chunks(len(images)):
        faces = crop_faces(images[chunk], crop[chunk], device)
        pair = networks.E_flame(faces), networks.E_detail(faces)
        outputs.append([output.cpu().numpy() for output in pair])
    coarse, detail = (np.concatenate(part) for part in zip(*outputs, strict=True))
    return split_outputs(coarse, detail, crop, (width, height))


@torch.inference_mode()
def draw_flame_conditions(
    deca: Deca, codes: DecaCodes, new_expression: np.ndarray | None = None
) -> DrawnFaces:
    """NMFC and shape images in the images that the codes come from.

    `new_expression` (T, 51) takes the place of that of the codes, see `with_expression`.

    Source: spec `face_pipeline.md` 1.4, 1.5, `manipulator_and_renderer.md` D1. As released, grey
    levels are cut off to integers for a frame's own expression and rounded for a new one; they are
    counted from 0 to 255 throughout, so that a flat area keeps its level.
    """
    edited = codes if new_expression is None else with_expression(codes, new_expression)
    rounding = LEVEL_TOLERANCE if new_expression is None else 0.5
    drawn = []
    for chunk in _chunks(len(codes)):
        part = edited.frames(chunk)
        tensors = _on_device(part, deca)
        expression, pose = tensors["expression"], tensors["pose"]
        vertices = deca.decoder(tensors["shape"], expression, pose)
        detail = deca.networks.D_detail(pose[:, 3:], expression, tensors["detail"])
        both = torch.cat(deca.artist(vertices, tensors["camera"], detail), 1)
        drawn.append(_into_images(both, part, rounding))
    nmfc, shape = np.split(np.concatenate(drawn), 2, -1)
    return DrawnFaces(np.ascontiguousarray(nmfc), np.ascontiguousarray(shape))


@torch.inference_mode()
def face_points(
    deca: Deca, codes: DecaCodes, new_expression: np.ndarray | None = None
) -> np.ndarray:
    """The 68 points (T, 68, 2) float64 of FLAME's face in the images, first pixel's centre at 0.5.

    `new_expression` (T, 51) takes the place of that of the codes.

    Source: spec `manipulator_and_renderer.md` D1.
    """
    edited = codes if new_expression is None else with_expression(codes, new_expression)
    tensors = _on_device(edited, deca)
    vertices = deca.decoder(tensors["shape"], tensors["expression"], tensors["pose"])
    triangles = torch.from_numpy(deca.model.triangles).to(deca.device)
    head = rotation_matrices(tensors["pose"][:, :3])
    places = landmarks_68(vertices, triangles, head, deca.landmarks)
    pixels = to_crop_pixels(project(places, tensors["camera"])).double().cpu().numpy()
    back = np.linalg.inv(codes.crop)
    return pixels @ back[:, :2, :2].transpose(0, 2, 1) + back[:, None, :2, 2] + 0.5


def _chunks(frames: int) -> Iterator[slice]:
    """Parts of a clip of 256-pixel images that fit into the memory."""
    return (slice(start, start + CHUNK_FRAMES) for start in range(0, frames, CHUNK_FRAMES))


def _on_device(codes: DecaCodes, deca: Deca) -> dict[str, Tensor]:
    names = ("shape", "expression", "pose", "camera", "detail")
    return {name: torch.from_numpy(getattr(codes, name)).to(deca.device) for name in names}


def _into_images(pictures: Tensor, codes: DecaCodes, rounding: float) -> np.ndarray:
    """Crops (T, C, 224, 224) in [0, 1] put back into the images: (T, H, W, C) uint8."""
    levels = (pictures.clamp(0, 1) * 255).floor()
    width, height = (int(side) for side in codes.image_size)
    placed = warp_bilinear(levels, torch.from_numpy(codes.crop), height, width)
    return (placed + rounding).clamp(0, 255).byte().movedim(1, -1).cpu().numpy()
