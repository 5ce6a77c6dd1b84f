"""What the renderer learns from: clips of condition images and faces, drawn as short sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spfem.errors import InputError, ShapeError
from spfem.settings import RendererSettings


@dataclass(frozen=True)
class RendererClip:
    """One clip. Arrays may be memory maps: only the drawn frames are read.

    Attributes:
        conditions: (T, S, S, C) uint8, see `spfem.renderer.conditions`.
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
    """Drawn frames of B clips: W - 1 frames of lead, then T frames.

    Attributes:
        conditions: (B, W - 1 + T, S, S, C) uint8.
        faces: (B, T, S, S, 3) uint8 RGB.
        mouth_centres: (B, T, 2) pixels.
        edited_conditions: as `conditions`, or None if a clip has none.
        eye_centres: (B, T, 2) pixels, or None if a clip has none.
    """

    conditions: np.ndarray
    faces: np.ndarray
    mouth_centres: np.ndarray
    edited_conditions: np.ndarray | None
    eye_centres: np.ndarray | None = None


def check_clip(clip: RendererClip, settings: RendererSettings) -> None:
    """Check that the arrays of a clip fit each other and the settings.

    Raises:
        ShapeError: if they do not.
    """
    side = settings.image_size
    frames = len(clip.faces)
    wanted = {
        "conditions": (frames, side, side, settings.condition_channels),
        "faces": (frames, side, side, 3),
        "edited_conditions": (frames, side, side, settings.condition_channels),
    }
    for name, shape in wanted.items():
        array = getattr(clip, name)
        if array is None and name == "edited_conditions":
            continue
        if array.shape != shape or array.dtype != np.uint8 or frames == 0:
            raise ShapeError(
                f"{name} of a renderer clip is {array.dtype} {array.shape}; the settings need "
                f"uint8 {shape} with at least one frame (image_size, use_texture)"
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
    drawn = []
    for number in random.integers(len(clips), size=settings.batch_size):
        clip = clips[int(number)]
        check_clip(clip, settings)
        length = len(clip.faces)
        start = int(random.integers(max(length - frames, 0) + 1))
        lead = settings.window_frames - 1
        index = np.clip(np.arange(start - lead, start + frames), 0, length - 1)
        drawn.append(
            (
                clip.conditions[index],
                clip.faces[index[lead:]],
                clip.mouth_centres[index[lead:]],
                None if clip.edited_conditions is None else clip.edited_conditions[index],
                None if clip.eye_centres is None else clip.eye_centres[index[lead:]],
            )
        )
    conditions, faces, centres, edited, eyes = zip(*drawn, strict=True)
    return Sequences(
        np.stack(conditions),
        np.stack(faces),
        np.stack(centres),
        None if any(one is None for one in edited) else np.stack(edited),
        None if any(one is None for one in eyes) else np.stack(eyes),
    )
