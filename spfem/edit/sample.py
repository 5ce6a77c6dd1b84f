"""Pass 2 of an edit: a bounded sample of aligned faces, spread evenly over the clip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from spfem.edit.progress import show_frames
from spfem.edit.tracking.clip_track import ClipTrack
from spfem.face.align import align_faces
from spfem.face.conditions import ConditionPainter
from spfem.face.track_file import FaceTrack
from spfem.media.video import stream_frames

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
