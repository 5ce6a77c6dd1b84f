"""An own video of one sentence: its face, followed and aligned, and its sound."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from spfem.artifacts import file_digest
from spfem.edit.tracking.people import FASTEST_RATE, open_face_finder, shrink_frame
from spfem.edit.tracking.track import make_track
from spfem.errors import InputError
from spfem.face.align import align_faces
from spfem.media.audio import sound_beside
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames
from spfem.settings import FaceSettings

SHORTEST_FRAMES, LONGEST_SECONDS = 10, 30


class TrackedSpeech(NamedTuple):
    """A clip of T frames.

    Attributes:
        faces: (T, S, S, 3) uint8 RGB, aligned.
        waveform: (A,) float32 mono in [-1, 1]; sample 0 sounds with frame 0.
        fps: frames per second.
        expression: (T, E) face units.
        people: faces that the first frame shows; the largest is followed.
    """

    faces: np.ndarray
    waveform: np.ndarray
    fps: float
    expression: np.ndarray
    people: int


def check_speech(path: Path) -> None:
    """Refuse what `track_speech` cannot use, as far as that is known without tracking.

    Raises:
        InputError: if a file cannot be read, has no sound, is too short or too long.
    """
    facts = probe_video(path)
    if not facts.has_audio:
        raise InputError(
            f"{path} has no sound, by which clips are aligned; give the original recording"
        )
    if facts.seconds is not None and facts.seconds > LONGEST_SECONDS:
        raise InputError(
            f"{path} lasts {facts.seconds:.0f} s, and every frame of it is kept: cut the clip to "
            f"one sentence, at most {LONGEST_SECONDS} s"
        )
    _check_length(path, facts.frames)


def track_speech(path: Path, keep: Path, face_size: int, sample_rate: int) -> TrackedSpeech:
    """Follow the largest face of a video and read its sound.

    Args:
        path: the video.
        keep: folder of tracks, which edits of own clips use as well.
        face_size: side of the aligned faces, in pixels.
        sample_rate: of the sound, in hertz.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if the file is too short, or silent.
    """
    folder = keep / file_digest(path) / "track"
    track = make_track(folder, path, FaceSettings(face_size=face_size)).track
    _check_length(path, len(track))
    decoded = sound_beside(path, probe_video(path), sample_rate)
    if decoded is None or not decoded[0].any():
        raise InputError(f"{path} is silent; clips are aligned by their sound")
    with open_face_finder(FASTEST_RATE) as find_faces:
        people = len(find_faces(shrink_frame(next(iter(stream_frames(path))))))
    faces = align_faces(stream_frames(path), track.align, face_size)
    waveform = np.ascontiguousarray(decoded[0])
    return TrackedSpeech(faces, waveform, track.fps, track.expression, people)


def _check_length(path: Path, frames: int | None) -> None:
    if frames is not None and frames < SHORTEST_FRAMES:
        raise InputError(
            f"{path} has {frames} frames; give a clip of at least {SHORTEST_FRAMES} frames"
        )
