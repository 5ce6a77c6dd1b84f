"""What the renderer learns from: clips of condition images and faces, drawn as short sequences.

Conditions tell about each frame: one uint8 array (T, S, S, C) a clip, channels NMFC 3, eyes 3,
shape 3, mask 1, which is the order of the released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spfem.errors import InputError, ShapeError
from spfem.precision import constant, upload
from spfem.settings import RendererSettings


def jitter_conditions(conditions: Tensor, amount: float, random: torch.Generator) -> Tensor:
    """Shift and scale each condition image of each frame on its own, to learn to bear bad fits.

    Source: NED (1 %, nearest sampling, independent for each image and frame).

    Args:
        conditions: (B, T, C, S, S), images of three channels each, mask last.
        amount: largest shift, and largest change of scale, as a fraction of the side; 0 for none.
        random: source of the draws, on the CPU.

    Returns:
        (B, T, C, S, S); black comes in at the sides; the mask stays.
    """
    if amount == 0:
        return conditions
    batch, frames, channels, side, _ = conditions.shape
    count = (channels - 1) // 3
    images = conditions[:, :, :-1].reshape(batch * frames * count, 3, side, side)
    draws = (2 * torch.rand(len(images), 3, generator=random) - 1) * amount
    transform = torch.zeros(len(images), 2, 3)
    transform[:, 0, 0] = transform[:, 1, 1] = 1 / (1 + draws[:, 0])
    transform[:, :, 2] = 2 * draws[:, 1:]  # the sampling grid spans [-1, 1]
    grid = functional.affine_grid(
        upload(transform, images.device).to(images.dtype), list(images.shape), align_corners=False
    )
    moved = functional.grid_sample(images, grid, mode="nearest", align_corners=False)
    return torch.cat([moved.reshape(conditions[:, :, :-1].shape), conditions[:, :, -1:]], dim=2)


@dataclass(frozen=True)
class RendererClip:
    """One clip. Arrays may be memory maps: only the drawn frames are read.

    Attributes:
        conditions: (T, S, S, C) uint8, see `spfem.renderer.data`.
        faces: (T, S, S, 3) uint8 RGB, aligned; the background may be present.
        mouth_centres: (T, 2) x, y of the mouth in pixels of the face.
        edited_conditions: conditions of the same frames with another emotion, or None.
        eye_centres: (T, 2) x, y of the point between the eyes; only for a discriminator of them.
    """

    conditions: np.ndarray
    faces: np.ndarray
    mouth_centres: np.ndarray
    edited_conditions: np.ndarray | None = None
    eye_centres: np.ndarray | None = None


@dataclass(frozen=True)
class Sequences:
    """Drawn frames of B clips, as in `RendererClip`: T frames, conditions with W - 1 before them.

    What a clip has not is None.
    """

    conditions: np.ndarray
    faces: np.ndarray
    mouth_centres: np.ndarray
    edited_conditions: np.ndarray | None
    eye_centres: np.ndarray | None = None


def check_clip(clip: RendererClip, settings: RendererSettings) -> None:
    """Raise `ShapeError` if the arrays of a clip do not fit each other and the settings."""
    frames, channels = len(clip.faces), settings.condition_channels
    for name, array, depth in (
        ("conditions", clip.conditions, channels),
        ("faces", clip.faces, 3),
        ("edited_conditions", clip.edited_conditions, channels),
    ):
        if array is None:
            continue
        shape = (frames, settings.image_size, settings.image_size, depth)
        if array.shape != shape or array.dtype != np.uint8 or frames == 0:
            raise ShapeError(
                f"{name} of a renderer clip is {array.dtype} {array.shape}; the settings need "
                f"uint8 {shape} with at least one frame (image_size)"
            )
    for name, centres in (("mouth", clip.mouth_centres), ("eye", clip.eye_centres)):
        if centres is not None and centres.shape != (frames, 2):
            raise ShapeError(
                f"{name}_centres have shape {centres.shape}; they must be ({frames}, 2)"
            )
    if settings.eye_discriminator and clip.eye_centres is None:
        raise ShapeError("eye_discriminator needs eye_centres in every renderer clip; found none")


def draw_sequences(
    clips: Sequence[RendererClip],
    frames: int,
    settings: RendererSettings,
    random: np.random.Generator,
) -> Sequences:
    """Draw `settings.batch_size` sequences of consecutive frames.

    The lead of a sequence that starts at the first frame repeats that frame, as rendering does;
    a clip that is too short holds its last frame.

    Args:
        clips: any sequence, also one that loads a clip when it is asked for.
        frames: T.
        settings: batch size, window, shapes.
        random: of all draws.

    Raises:
        InputError: if there is no clip.
        ShapeError: if a drawn clip does not fit.
    """
    if len(clips) == 0:
        raise InputError("the renderer was given no clip to learn from; give at least one")
    lead = settings.window_frames - 1
    drawn: dict[str, list[np.ndarray]] = {field.name: [] for field in fields(Sequences)}
    for number in random.integers(len(clips), size=settings.batch_size):
        clip = clips[int(number)]
        check_clip(clip, settings)
        length = len(clip.faces)
        start = int(random.integers(max(length - frames, 0) + 1))
        index = np.clip(np.arange(start - lead, start + frames), 0, length - 1)
        for name, parts in drawn.items():
            array = getattr(clip, name)
            if array is not None:
                parts.append(array[index if "conditions" in name else index[lead:]])
    whole = {
        name: np.stack(parts) if len(parts) == settings.batch_size else None
        for name, parts in drawn.items()
    }
    return Sequences(**whole)  # type: ignore[arg-type]


def stack_conditions(
    nmfc: np.ndarray,
    shape: np.ndarray,
    eye: np.ndarray,
    mask: np.ndarray,
) -> np.ndarray:
    """Stack the condition images of a clip in the renderer's channel order.

    Args:
        nmfc: (T, S, S, 3) uint8 normalised mean face coordinates.
        shape: (T, S, S, 3) uint8 shaded mesh.
        eye: (T, S, S, 3) uint8 eye image.
        mask: (T, S, S) uint8, 0 outside the face, 255 inside.

    Returns:
        (T, S, S, 10) uint8.

    Raises:
        ShapeError: if an array is not uint8 or the shapes do not agree.
    """
    images = {"nmfc": nmfc, "eye": eye, "shape": shape, "mask": mask[..., None]}
    for name, image in images.items():
        wanted = (*nmfc.shape[:3], 1 if name == "mask" else 3)
        if image.dtype != np.uint8 or image.shape != wanted:
            raise ShapeError(
                f"condition image {name!r} is {image.dtype} {image.shape}; "
                f"it must be uint8 {wanted}"
            )
    return np.concatenate(list(images.values()), axis=-1)


def to_network(images: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Turn uint8 pictures (..., S, S, C) into float32 (..., C, S, S) in [0, 1]."""
    tensor = upload(np.ascontiguousarray(images), device)
    return tensor.movedim(-1, -3).float().div_(255)


def to_pictures(images: Tensor) -> np.ndarray:
    """Turn (..., 3, S, S) in [-1, 1] into uint8 (..., S, S, 3) RGB, truncated as in NED."""
    grey = ((images.detach().float() + 1) * 0.5).clamp(0, 1) * 255
    return grey.to(torch.uint8).movedim(-3, -1).cpu().numpy()


def cover_outside(images: Tensor, mask: Tensor) -> Tensor:
    """Set images (..., 3, S, S) to -1 (black) where the mask (..., 1, S, S) is 0."""
    return images * mask - (1 - mask)


def crop_around(images: Tensor, centres: Tensor, size: int) -> Tensor:
    """Squares (B, C, size, size) around a point of each image, as of the mouth. Source: NED.

    Args:
        images: (B, C, H, W); gradients pass through.
        centres: (B, 2) x, y in pixels; truncated to whole pixels, and moved inwards where the
            square would leave the image.
        size: even side of the square in pixels.

    Raises:
        ShapeError: if the square is larger than the images or `centres` does not fit.
    """
    batch, _, height, width = images.shape
    if size > min(height, width) or size % 2:
        raise ShapeError(f"a crop of {size} px must be even and fit into {height} x {width} px")
    if centres.shape != (batch, 2):
        raise ShapeError(f"centres have shape {tuple(centres.shape)}; they must be ({batch}, 2)")
    half = size // 2
    limits = constant((width - half, height - half), images.device)
    corners = upload(centres, images.device).long().clamp(min=half)
    corner = torch.minimum(corners, limits) - half
    steps = torch.arange(size, device=images.device)
    rows = (corner[:, 1:] + steps)[:, :, None]
    columns = (corner[:, :1] + steps)[:, None, :]
    samples = torch.arange(batch, device=images.device)[:, None, None]
    return images[samples, :, rows, columns].movedim(-1, 1)
