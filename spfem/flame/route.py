"""The whole DECA route: pictures to codes, and codes with any expression to condition images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.face.align import index_convention
from spfem.flame.camera import project, to_crop_pixels
from spfem.flame.codes import DecaCodes, split_outputs, with_expression
from spfem.flame.crop import crop_faces, crop_transforms, warp_bilinear
from spfem.flame.decode import rotation_matrices
from spfem.flame.landmarks import landmarks_68
from spfem.flame.load import Deca
from spfem.flame.networks import DecaNetworks
from spfem.flame.points_68 import POINTS, points_68

CHUNK_FRAMES = 16  # drawn or encoded at once, which bounds the memory
CHUNK_PIXELS = CHUNK_FRAMES * 512**2  # of the images that are held at once
LEVEL_TOLERANCE = 1e-3  # grey levels that rounding may take from a flat area


@dataclass(frozen=True)
class DrawnFaces:
    """Condition images of T frames, uint8 RGB.

    Attributes:
        nmfc: (T, H, W, 3).
        shape: (T, H, W, 3).
    """

    nmfc: np.ndarray
    shape: np.ndarray


@torch.inference_mode()
def encode_faces(networks: DecaNetworks, images: np.ndarray, landmarks: np.ndarray) -> DecaCodes:
    """DECA's codes of every frame; needs no other file than `deca_model.tar`.

    Args:
        networks: of the user's file, from `load_deca` or `read_networks`.
        images: (T, H, W, 3) uint8 RGB; NED gives crops of 256 x 256.
        landmarks: (T, 478, 2 or 3) of the tracker or (T, 68, 2), in pixels of the images (the
            first pixel's centre is 0.5); NaN where there is no face.

    Raises:
        ShapeError: if the shapes or types are not these.

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
    outputs = []
    for chunk in _chunks(len(images), (width, height)):
        faces = crop_faces(images[chunk], crop[chunk], networks.device)
        pair = networks.coarse_encoder(faces), networks.detail_encoder(faces)
        outputs.append([output.cpu().numpy() for output in pair])
    coarse, detail = (np.concatenate(part) for part in zip(*outputs, strict=True))
    return split_outputs(coarse, detail, crop, (width, height))


@torch.inference_mode()
def draw_conditions(
    deca: Deca,
    codes: DecaCodes,
    new_expression: np.ndarray | None = None,
    *,
    align: np.ndarray | None = None,
    face_size: int | None = None,
) -> DrawnFaces:
    """NMFC and shape images in the images that the codes come from, or in the aligned square.

    Args:
        deca: the user's files, loaded.
        codes: of T frames.
        new_expression: (T, 51) in place of that of the codes, see `with_expression`.
        align: (T, 2, 3) image pixels to aligned pixels (first centre at 0.5), as in `FaceTrack`.
        face_size: side of the aligned square; needed with `align`.

    Raises:
        ShapeError: if the shapes do not belong together.

    Source: spec `face_pipeline.md` 1.4, 1.5, `manipulator_and_renderer.md` D1. As released, grey
    levels are cut off to integers for a frame's own expression and rounded for a new one; they are
    counted from 0 to 255 throughout, so that a flat area keeps its level.
    """
    if (align is None) != (face_size is None):
        raise ShapeError("align and face_size belong together; give both or none")
    if align is not None and align.shape != (len(codes), 2, 3):
        raise ShapeError(f"align is {align.shape} instead of {(len(codes), 2, 3)}")
    edited = codes if new_expression is None else with_expression(codes, new_expression)
    rounding = LEVEL_TOLERANCE if new_expression is None else 0.5
    drawn = []
    for chunk in _chunks(len(codes), codes.image_size):
        part = edited.frames(chunk)
        tensors = _on_device(part, deca)
        expression, pose = tensors["expression"], tensors["pose"]
        vertices = deca.decoder(tensors["shape"], expression, pose)
        detail = deca.networks.detail_decoder(pose[:, 3:], expression, tensors["detail"])
        images = deca.artist(vertices, tensors["camera"], detail)
        both = torch.cat([images.nmfc, images.shape], 1)
        pictures = _into_images(both, part, rounding)
        if align is not None and face_size is not None:
            pictures = _aligned(pictures, align[chunk], face_size)
        drawn.append(pictures)
    whole = np.concatenate(drawn)
    return DrawnFaces(*(np.ascontiguousarray(part) for part in np.split(whole, 2, -1)))


@torch.inference_mode()
def face_points(
    deca: Deca, codes: DecaCodes, new_expression: np.ndarray | None = None
) -> np.ndarray:
    """The 68 points (T, 68, 2) float64 of FLAME's face in the images, first pixel's centre at 0.5.

    Args:
        deca: the user's files, loaded.
        codes: of T frames.
        new_expression: (T, 51) in place of that of the codes.

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


def _chunks(frames: int, image_size: Sequence[int] | np.ndarray) -> Iterator[slice]:
    """Parts of a clip that fit into the memory."""
    pixels = int(image_size[0]) * int(image_size[1])
    step = max(1, min(CHUNK_FRAMES, CHUNK_PIXELS // pixels))
    return (slice(start, start + step) for start in range(0, frames, step))


def _on_device(codes: DecaCodes, deca: Deca) -> dict[str, Tensor]:
    names = ("shape", "expression", "pose", "camera", "detail")
    return {name: torch.from_numpy(getattr(codes, name)).to(deca.device) for name in names}


def _into_images(pictures: Tensor, codes: DecaCodes, rounding: float) -> np.ndarray:
    """Crops (T, C, 224, 224) in [0, 1] put back into the images: (T, H, W, C) uint8."""
    levels = (pictures.clamp(0, 1) * 255).floor()
    width, height = (int(side) for side in codes.image_size)
    placed = warp_bilinear(levels, torch.from_numpy(codes.crop), height, width)
    return (placed + rounding).clamp(0, 255).byte().movedim(1, -1).cpu().numpy()


def _aligned(pictures: np.ndarray, align: np.ndarray, face_size: int) -> np.ndarray:
    """Pairs of pictures (T, H, W, 6) in the aligned square: (T, S, S, 6) uint8."""
    aligned = np.empty((len(pictures), face_size, face_size, 6), np.uint8)
    for picture, matrix, target in zip(pictures, align, aligned, strict=True):
        for channels in (slice(0, 3), slice(3, 6)):  # OpenCV takes four at most
            target[..., channels] = cv2.warpAffine(
                np.ascontiguousarray(picture[..., channels]),
                index_convention(matrix),
                (face_size, face_size),
                flags=cv2.INTER_LANCZOS4,
            )
    return aligned
