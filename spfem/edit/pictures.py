"""Pass 3 of an edit: conditions, pictures and blended frames, a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from spfem.chain import ConditionSource, blend_aligned, colour_shift, shift_colour
from spfem.edit.sample import FaceSample
from spfem.edit.tracking.clip_track import ClipTrack
from spfem.face.conditions import ConditionPainter
from spfem.precision import autocast
from spfem.renderer.conditions import to_network, to_pictures
from spfem.renderer.generator import Generator
from spfem.renderer.layout import cast_once
from spfem.renderer.recurrence import generate_chunk
from spfem.renderer.render import CHUNK_FRAMES, render_clips


class ClipRenderer:
    """Renders consecutive frames of one clip; the recurrence is carried from call to call.

    Pictures are those of `render_clips` if every chunk but the last has `CHUNK_FRAMES` frames.

    Args:
        generator: trained, on `device`.
        device: to render on.
    """

    def __init__(self, generator: Generator, device: str):
        self.settings, self.device = generator.settings, device
        with torch.inference_mode(), autocast(device, self.settings.precision):
            self.generator = cast_once(generator, self.settings.width)
        self.restart()

    def restart(self) -> None:
        """Forget what came before, as at the start of a clip."""
        self.previous: torch.Tensor | None = None
        self.before: np.ndarray | None = None

    def render(self, conditions: np.ndarray) -> np.ndarray:
        """Pictures (t, S, S, 3) uint8 of the next conditions (t, S, S, C) uint8."""
        lead = self.settings.window_frames - 1
        if self.before is None:
            self.before = np.repeat(conditions[:1], lead, axis=0)
        stacked = np.concatenate([self.before, conditions])
        with torch.inference_mode(), autocast(self.device, self.settings.precision):
            made, self.previous = generate_chunk(
                self.generator, to_network(stacked[None], self.device), self.previous
            )
        self.before = stacked[len(stacked) - lead :]
        return to_pictures(made)[0]


@dataclass(frozen=True)
class EditPlan:
    """Everything about the edit of one clip of T frames but its pictures.

    Attributes:
        track: of the clip, at the painter's face size.
        expression: (T, E) edited face units.
        painter: of condition images.
        texture: of the face, or None.
        generator: adapted to the face, at its size.
        device: to render on.
    """

    track: ClipTrack
    expression: np.ndarray
    painter: ConditionPainter
    texture: np.ndarray | None
    generator: Generator
    device: str


def sample_shift(plan: EditPlan, sample: FaceSample) -> np.ndarray:
    """Colour shift (3,) that takes the edited pictures to the clip's faces, from the sample."""
    pictures, masks = [], []
    for places in sample.colour:
        part = sample.track.take_frames(places)
        source = ConditionSource(plan.painter, part, plan.texture)
        drawn = source.conditions(plan.expression[sample.frames[places]])
        pictures.append(render_clips(plan.generator, [drawn], device=plan.device)[0])
        masks.append(drawn[..., -1])
    faces = sample.track.faces[np.concatenate(sample.colour)]
    return colour_shift(np.concatenate(pictures), faces, np.concatenate(masks))


def edited_faces(plan: EditPlan) -> Iterator[tuple[np.ndarray, np.ndarray] | None]:
    """For each frame its picture (S, S, 3) and mask (S, S); None where the frame stays as it is.

    Where no frame of a chunk shows the face, nothing is rendered, and the recurrence starts anew.
    """
    renderer = ClipRenderer(plan.generator, plan.device)
    for start in range(0, len(plan.track), CHUNK_FRAMES):
        frames = np.arange(start, min(start + CHUNK_FRAMES, len(plan.track)))
        shown = plan.track.shown[frames]
        if not shown.any():
            renderer.restart()
            yield from [None] * len(frames)
            continue
        part = plan.track.part(plan.painter, frames)
        drawn = ConditionSource(plan.painter, part, plan.texture).conditions(
            plan.expression[frames]
        )
        pictures = renderer.render(drawn)
        for picture, mask, seen in zip(pictures, drawn[..., -1], shown, strict=True):
            yield (picture, mask) if seen else None


def edited_frames(
    frames: Iterable[np.ndarray], plan: EditPlan, shift: np.ndarray
) -> Iterator[np.ndarray]:
    """The frames (H, W, 3) of the clip with edited faces; bytes outside the masks stay."""
    for frame, matrix, face in zip(frames, plan.track.align, edited_faces(plan), strict=True):
        if face is None:
            yield frame
        else:
            picture, mask = face
            yield blend_aligned(frame, shift_colour(picture, shift), mask, matrix)
