"""Pass 2 of an edit: a bounded sample of aligned faces, spread evenly over the clip.

Pass 3 of an edit: conditions, pictures and blended frames, a few at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from spfem.edit.chain import ConditionSource, blend_aligned, colour_shift, shift_colour
from spfem.face.align import align_faces
from spfem.face.clip_track import ClipTrack
from spfem.face.conditions import ConditionPainter
from spfem.face.track import FaceTrack
from spfem.files import show_frames
from spfem.media.video import stream_frames
from spfem.precision import autocast
from spfem.renderer.data import to_network, to_pictures
from spfem.renderer.networks import FaceGenerator, cast_once
from spfem.renderer.render import CHUNK_FRAMES, generate_chunk, render_clips

SAMPLE_FRAMES = 300  # to learn from; about 0.8 MB each at 192 pixels with their conditions
STRETCH_FRAMES = 50  # consecutive frames, since the renderer learns from sequences
SHORTEST_STRETCH = 8  # frames; shorter ones only if there is nothing else
COLOUR_FRAMES, COLOUR_STRETCH = 64, 16  # whose mean colour is compared


def spread_stretches(shown: np.ndarray, most: int, stretch: int) -> list[np.ndarray]:
    """Indices of runs of consecutive shown frames, evenly spread, at most `most` frames in all.

    Args:
        shown: (T,) bool.
        most: frames in all.
        stretch: frames of one run, where the clip has to be cut.

    Returns:
        Index arrays; whole runs of the clip if they are few enough.
    """
    runs = np.split(np.arange(len(shown)), np.flatnonzero(np.diff(shown.astype(int))) + 1)
    runs = [run for run in runs if shown[run[0]]]
    long = [run for run in runs if len(run) >= SHORTEST_STRETCH]
    runs = long or runs
    if sum(map(len, runs)) <= most:
        return runs
    pieces = [run[at : at + stretch] for run in runs for at in range(0, len(run), stretch)]
    full = [piece for piece in pieces if len(piece) == stretch]
    pieces = full or pieces
    count = max(1, most // stretch)
    if len(pieces) <= count:
        return pieces
    return [pieces[int((place + 0.5) * len(pieces) / count)] for place in range(count)]


@dataclass(frozen=True)
class FaceSample:
    """Faces of some frames of a clip.

    Attributes:
        frames: (N,) their indices in the clip.
        track: of those frames, with faces and masks.
        stretches: places in `frames` of runs to learn from.
        colour: places in `frames` of runs whose colour is compared.
    """

    frames: np.ndarray
    track: FaceTrack
    stretches: list[np.ndarray]
    colour: list[np.ndarray]


def sample_faces(path: Path, track: ClipTrack, painter: ConditionPainter) -> FaceSample:
    """Decode the video and keep the aligned faces of the sample.

    Args:
        path: the video.
        track: of the video, at the painter's face size.
        painter: draws the masks.
    """
    stretches = spread_stretches(track.shown, SAMPLE_FRAMES, STRETCH_FRAMES)
    frames = np.concatenate(stretches)
    ends = np.cumsum([len(stretch) for stretch in stretches])
    places = [np.arange(end - len(run), end) for run, end in zip(stretches, ends, strict=True)]
    learned = np.zeros(len(track), bool)
    learned[frames] = True
    colour = spread_stretches(learned, COLOUR_FRAMES, COLOUR_STRETCH)
    faces = np.empty((len(frames), track.face_size, track.face_size, 3), np.uint8)
    _gather(stream_frames(path), track, frames, faces)
    part = track.part(painter, frames, faces)
    return FaceSample(
        frames, part, places, [np.searchsorted(frames, stretch) for stretch in colour]
    )


def _gather(
    video: Iterable[np.ndarray], track: ClipTrack, frames: np.ndarray, faces: np.ndarray
) -> None:
    count, place = int(frames[-1]) + 1, 0
    for index, frame in enumerate(show_frames(islice(video, count), "gathering faces", count)):
        if index == frames[place]:
            faces[place] = align_faces([frame], track.align[index : index + 1], track.face_size)[0]
            place += 1


class ClipRenderer:
    """Renders consecutive frames of one clip; the recurrence is carried from call to call.

    Pictures are those of `render_clips` if every chunk but the last has `CHUNK_FRAMES` frames.

    Args:
        generator: trained, on `device`.
        device: to render on.
    """

    def __init__(self, generator: FaceGenerator, device: str):
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
    generator: FaceGenerator
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
