"""The links of an edit: codes to other codes, to conditions, and pictures back into frames.

Edits of own videos and those of the result tables share them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from spfem.errors import InputError
from spfem.face.align import aligned_centres, invert, mouth_centres, unalign_face
from spfem.face.conditions import ConditionPainter
from spfem.face.landmarks import LEFT_EYE, RIGHT_EYE
from spfem.face.track import FaceTrack
from spfem.manipulator.manipulate import (
    label_style,
    manipulate,
    mix_styles,
    reference_style,
    set_intensity,
)
from spfem.manipulator.networks import Manipulator
from spfem.renderer.blend import blend_face
from spfem.renderer.data import RendererClip
from spfem.settings import EMOTIONS

STYLE_LATENTS = 16  # latents whose styles are averaged for a label
BLEND_MARGIN = 40  # pixels around the aligned square, more than the blend looks at


@dataclass(frozen=True)
class Wish:
    """What an edit should show: an emotion label, or the style of reference codes.

    Attributes:
        emotion: name of the emotion, or None with references.
        references: (T, E) codes of clips whose style to take over.
        intensity: 0 for the source itself, 1 for the full edit, up to 2 for more.
        second_emotion: name of an emotion to mix in, or None.
        second_share: how much of it, 0 for none to 1 for nothing else.
    """

    emotion: str | None = None
    references: tuple[np.ndarray, ...] = ()
    intensity: float = 1.0
    second_emotion: str | None = None
    second_share: float = 0.5


def edit_expression(
    manipulator: Manipulator,
    expression: np.ndarray,
    wish: Wish,
    *,
    anchored: bool,
    seed: int = 0,
) -> np.ndarray:
    """Expression (T, E) with the wished emotion, the jaw following the words of the source.

    Raises:
        InputError: if the wish names neither an emotion nor a reference, an unknown emotion, or
            an intensity outside of [0, 2], or a share outside of [0, 1].
        ShapeError: if a clip is shorter than the manipulator's window.
    """
    if wish.references:
        style = reference_style(manipulator, [torch.from_numpy(r) for r in wish.references])
    else:
        style = _emotion_style(manipulator, wish.emotion, seed)
    if wish.second_emotion is not None:
        second = _emotion_style(manipulator, wish.second_emotion, seed)
        style = mix_styles(style, second, wish.second_share)
    source = torch.from_numpy(expression)
    edited = manipulate(source, manipulator=manipulator, style=style, anchored=anchored)
    codes = set_intensity(source, edited, wish.intensity)
    if wish.intensity > 1 and manipulator.space.value_range is not None:
        low, high = manipulator.space.value_range
        codes = codes.clamp(low, high)
    return codes.cpu().numpy().astype(np.float32)


def _emotion_style(manipulator: Manipulator, emotion: str | None, seed: int) -> torch.Tensor:
    if emotion not in EMOTIONS:
        raise InputError(
            f"emotion {emotion!r} is unknown; choose one of {', '.join(EMOTIONS)} or give a "
            "reference video"
        )
    label = EMOTIONS.index(emotion)
    return label_style(manipulator, label, seed=seed, latents=STYLE_LATENTS)


class ConditionSource:
    """Draws what the renderer is told about one clip: as it is, or with edited face units.

    Args:
        painter: of condition images at the renderer's size.
        track: of the clip.
    """

    def __init__(self, painter: ConditionPainter, track: FaceTrack):
        self.painter, self.track = painter, track

    def conditions(self, expression: np.ndarray | None = None) -> np.ndarray:
        """Stacked condition images (T, S, S, C); the mask also covers the face as it was."""
        images = self.painter.paint(self.track, expression=expression)
        stacked = images.stacked()
        stacked[..., -1] = np.maximum(images.mask, self.track.masks)
        return stacked

    def clip(self) -> RendererClip:
        """What a renderer learns from."""
        return renderer_clip(self.track, self.conditions())


def renderer_clip(
    track: FaceTrack, conditions: np.ndarray, edited: np.ndarray | None = None
) -> RendererClip:
    """What a renderer learns from: a track beside its conditions, and those of an edit of it."""
    eyes = aligned_centres(track, (*RIGHT_EYE, *LEFT_EYE))
    return RendererClip(conditions, track.faces, mouth_centres(track), edited, eyes)


def colour_shift(pictures: np.ndarray, faces: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mean colour (3,) of faces less that of pictures, both (T, S, S, 3), where masks are set.

    One shift a channel for a whole clip, so that nothing flickers. Not in the papers: a renderer
    adapted for a minute keeps a slight cast of the faces it knew before.
    """
    inside = masks > 0
    if not inside.any():
        return np.zeros(3)
    return faces[inside].mean(0) - pictures[inside].mean(0)


DrawnFace = tuple[np.ndarray, np.ndarray]
"""Aligned picture (S, S, 3) uint8 and mask (S, S) uint8, not 0 on the face."""


def blended_frames(
    frames: Iterable[np.ndarray],
    align: np.ndarray,
    faces: Iterable[DrawnFace | None],
    shift: np.ndarray | float = 0.0,
) -> Iterator[np.ndarray]:
    """The frames (H, W, 3) of a clip with drawn faces blended in, one after the other.

    Frames without a face stay as they are, and so does every byte outside the masks.

    Args:
        frames: T frames.
        align: (T, 2, 3) frame pixels to aligned pixels.
        faces: of each frame, None where it stays.
        shift: (3,) of `colour_shift`.
    """
    for frame, matrix, face in zip(frames, align, faces, strict=True):
        if face is None:
            yield frame
        else:
            picture, mask = face
            shifted = np.clip(np.rint(picture + shift), 0, 255).astype(np.uint8)
            yield blend_aligned(frame, shifted, mask, matrix)


def put_back(
    frames: Iterable[np.ndarray], track: FaceTrack, pictures: np.ndarray, masks: np.ndarray
) -> np.ndarray:
    """Frames (T, H, W, 3) with pictures (T, S, S, 3) of the face's own colour where masks are."""
    drawn = zip(pictures, masks, strict=True)
    faces = (face if found else None for face, found in zip(drawn, track.found, strict=True))
    shift = colour_shift(pictures, track.faces, masks)
    return np.stack(list(blended_frames(frames, track.align, faces, shift)))


def blend_aligned(
    frame: np.ndarray, picture: np.ndarray, mask: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """One frame (H, W, 3) with an aligned picture blended in, at the frame's resolution.

    Only the part of the frame around the aligned square is worked on; every byte outside the mask
    stays.

    Args:
        frame: (H, W, 3) uint8.
        picture: (S, S, 3) uint8.
        mask: (S, S) uint8, not 0 on the face.
        matrix: (2, 3) frame pixels to aligned pixels.
    """
    side = picture.shape[0] / float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    corners = picture.shape[0] * np.array([(0, 0), (1, 0), (0, 1), (1, 1)])
    inverse = invert(matrix.astype(np.float64))
    places = corners @ inverse[:, :2].T + inverse[:, 2]
    low = np.maximum(np.floor(places.min(0)).astype(int) - BLEND_MARGIN, 0)
    high = np.maximum(np.ceil(places.max(0)).astype(int) + BLEND_MARGIN, 0)
    part = frame[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return frame
    local = matrix.astype(np.float64)
    local[:, 2] += local[:, :2] @ low
    placed = unalign_face(picture, local, part.shape[:2])
    inside = unalign_face(mask, local, part.shape[:2], nearest=True)
    edited = frame.copy()
    edited[low[1] : high[1], low[0] : high[0]] = blend_face(part, placed, inside, side=side)
    return edited
