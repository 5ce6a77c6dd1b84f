"""An edit with NED's renderer: adapted to a sample of the clip's face, then drawn by frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from spfem.edit.chain import ConditionSource, DrawnFace, blended_frames, colour_shift
from spfem.face.align import align_faces
from spfem.face.clip_track import ClipTrack
from spfem.face.conditions import ConditionPainter
from spfem.face.track import FaceTrack
from spfem.files import show_frames
from spfem.head.model import load_head_model
from spfem.media.video import stream_frames
from spfem.precision import autocast
from spfem.renderer.data import RendererClip, to_network, to_pictures
from spfem.renderer.networks import FaceGenerator, cast_once
from spfem.renderer.render import CHUNK_FRAMES, generate_chunk, render_clips
from spfem.settings import RendererSettings

SAMPLE_FRAMES = 300  # to learn from; about 0.8 MB each at 192 pixels with their conditions
STRETCH_FRAMES = 50  # consecutive frames, since the renderer learns from sequences
SHORTEST_STRETCH = 8  # frames; shorter ones only if there is nothing else
COLOUR_FRAMES, COLOUR_STRETCH = 64, 16  # whose mean colour is compared
ADAPTATION_FACTOR = 2  # steps on one own video, per step of an actor with many clips
FACE_SIZE_STEP = 32  # pixels; sizes that the renderer's downsamplings divide
LARGEST_FACE_SIZE = {"cpu": 192, "cuda": 256}  # pixels; beyond it, adapting takes too long

Draw = Callable[[FaceTrack, np.ndarray], np.ndarray]
"""Conditions (N, S, S, C) uint8 of some frames with other face units (N, E)."""


@dataclass(frozen=True)
class NeuralRenderer:
    """NED's renderer, to be adapted to the face of a clip.

    Attributes:
        settings: of the renderer that knows faces in general.
        adapt: adapts it to clips, with the settings of the adaptation.
        device: to learn and draw on.
    """

    settings: RendererSettings
    adapt: Callable[[Callable[[], Sequence[RendererClip]], RendererSettings], FaceGenerator]
    device: str

    def draw_frames(
        self, clip: Path, track: ClipTrack, expression: np.ndarray
    ) -> Iterator[np.ndarray]:
        """The clip's frames (H, W, 3) with faces of face units (T, E) blended in."""
        known, device = self.settings, self.device
        size = choose_face_size(track, known.image_size, device)
        track, painter = track.at_face_size(size), ConditionPainter(load_head_model(), size, device)
        sample = sample_faces(clip, track, painter)

        def load_clips() -> Sequence[RendererClip]:
            parts = [sample.track.take_frames(places) for places in sample.stretches]
            return [ConditionSource(painter, part).clip() for part in parts]

        def draw(part: FaceTrack, shown: np.ndarray) -> np.ndarray:
            return ConditionSource(painter, part).conditions(shown)

        generator = self.adapt(
            load_clips,
            replace(
                known,
                batch_size=1,
                image_size=size,
                mouth_size=known.mouth_size * size // known.image_size,
                adapt_steps=ADAPTATION_FACTOR * known.adapt_steps,
            ),
        )
        shift = sample_shift(sample, expression, draw, generator, device)
        every = np.arange(len(track))
        faces = drawn_faces(
            generator,
            lambda frames: draw(track.part(painter, every[frames]), expression[frames]),
            track.shown,
            device,
        )
        return blended_frames(stream_frames(clip), track.align, faces, shift)


def choose_face_size(track: ClipTrack, smallest: int, device: str) -> int:
    """Side of the aligned face, in pixels, that keeps the detail of the clip's faces.

    At least the size that the renderer was trained at, which is convolutional and may be adapted
    at a larger one; at most `LARGEST_FACE_SIZE` of the device. Larger faces are rendered at that
    size and enlarged when they are blended into the full frame.
    """
    scale = np.sqrt(np.abs(np.linalg.det(track.align[track.found][:, :, :2])))
    side = track.face_size / float(np.median(scale))  # of the crop, in frame pixels
    wanted = FACE_SIZE_STEP * round(side / FACE_SIZE_STEP)
    return int(min(max(wanted, smallest), max(smallest, LARGEST_FACE_SIZE[device])))


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
    runs = [run for run in runs if len(run) >= SHORTEST_STRETCH] or runs
    if sum(map(len, runs)) <= most:
        return runs
    pieces = [run[at : at + stretch] for run in runs for at in range(0, len(run), stretch)]
    pieces = [piece for piece in pieces if len(piece) == stretch] or pieces
    count = max(1, most // stretch)
    if len(pieces) <= count:
        return pieces
    return [pieces[int((place + 0.5) * len(pieces) / count)] for place in range(count)]


@dataclass(frozen=True)
class ClipSample:
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


def sample_faces(path: Path, track: ClipTrack, painter: ConditionPainter) -> ClipSample:
    """Decode the video and keep the aligned faces of the sample.

    Args:
        path: the video.
        track: of the video, at the painter's face size.
        painter: draws the masks.
    """
    stretches = spread_stretches(track.shown, SAMPLE_FRAMES, STRETCH_FRAMES)
    frames = np.concatenate(stretches)
    learned = np.zeros(len(track), bool)
    learned[frames] = True
    colour = spread_stretches(learned, COLOUR_FRAMES, COLOUR_STRETCH)
    side, count = track.face_size, int(frames[-1]) + 1
    faces = np.empty((len(frames), side, side, 3), np.uint8)
    video = islice(stream_frames(path), count)
    for index, frame in enumerate(show_frames(video, "gathering faces", count)):
        if learned[index]:
            place = np.searchsorted(frames, index)
            faces[place] = align_faces([frame], track.align[index : index + 1], side)[0]
    places = [[np.searchsorted(frames, run) for run in runs] for runs in (stretches, colour)]
    return ClipSample(frames, track.part(painter, frames, faces), *places)


def sample_shift(
    sample: ClipSample, expression: np.ndarray, draw: Draw, generator: FaceGenerator, device: str
) -> np.ndarray:
    """Colour shift (3,) from pictures of face units (T, E) to the clip's faces, of the sample."""
    pictures, masks = [], []
    for places in sample.colour:
        drawn = draw(sample.track.take_frames(places), expression[sample.frames[places]])
        pictures.append(render_clips(generator, [drawn], device=device)[0])
        masks.append(drawn[..., -1])
    faces = sample.track.faces[np.concatenate(sample.colour)]
    return colour_shift(np.concatenate(pictures), faces, np.concatenate(masks))


def drawn_faces(
    generator: FaceGenerator,
    conditions: Callable[[slice], np.ndarray],
    shown: np.ndarray,
    device: str,
) -> Iterator[DrawnFace | None]:
    """The face of each frame of a clip, a chunk at a time; None where the frame stays as it is.

    Where no frame of a chunk shows the face, nothing is rendered, and the recurrence starts anew.
    Else pictures are those of `render_clips`.

    Args:
        generator: trained, on `device`.
        conditions: gives those of n frames, (n, S, S, C) uint8, the mask last.
        shown: (T,) bool, frames with the face.
        device: to render on.
    """
    settings, lead = generator.settings, generator.settings.window_frames - 1
    with torch.inference_mode(), autocast(device, settings.precision):
        generator = cast_once(generator, settings.width)
    previous: torch.Tensor | None = None
    before: np.ndarray | None = None
    for start in range(0, len(shown), CHUNK_FRAMES):
        frames = slice(start, min(start + CHUNK_FRAMES, len(shown)))
        if not shown[frames].any():
            previous = before = None
            yield from [None] * (frames.stop - start)
            continue
        drawn = conditions(frames)
        before = np.repeat(drawn[:1], lead, axis=0) if before is None else before
        stacked = np.concatenate([before, drawn])
        with torch.inference_mode(), autocast(device, settings.precision):
            seen = to_network(stacked[None], device)
            made, previous = generate_chunk(generator, seen, previous)
        before = stacked[len(stacked) - lead :]
        for picture, mask, visible in zip(
            to_pictures(made)[0], drawn[..., -1], shown[frames], strict=True
        ):
            yield (picture, mask) if visible else None
