"""The user's own two clips, tracked and aligned for the explorer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spfem.artifacts import file_digest
from spfem.edit.tracking.track import make_track
from spfem.errors import InputError
from spfem.explore.alignment import align_waveforms
from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.face.align import align_faces
from spfem.media.audio import sound_beside
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames
from spfem.settings import FaceSettings, PairingSettings

ACTOR, SENTENCE = "own", "own sentence"
SHORTEST_FRAMES, LONGEST_SECONDS = 10, 30


class OwnClips:
    """Two video files of one person who says the same twice; their names stand for emotions.

    Args:
        first: a video with sound.
        second: another one; any size and frame rate.
        keep: folder of tracks, as `spfem.edit` keeps them.
        face_size: side of the aligned faces, in pixels.
        settings: of the alignment.

    Raises:
        FaceNotFoundError: if a file shows no face.
        InputError: if a file cannot be read, has no sound, is too short or too long.
    """

    def __init__(
        self, first: Path, second: Path, keep: Path, face_size: int, settings: PairingSettings
    ) -> None:
        paths = [Path(path).expanduser() for path in (first, second)]
        for path in paths:  # what is wrong with either is said before the tracking begins
            _check(path)
        names = [path.stem for path in paths]
        if names[0] == names[1]:
            names = [f"{names[0]} (first)", f"{names[1]} (second)"]
        self._clips = {
            name: _read(path, name, keep, face_size, settings.sample_rate)
            for name, path in zip(names, paths, strict=True)
        }
        self.settings = settings

    def actors(self) -> Sequence[str]:
        """One, whoever it is."""
        return (ACTOR,)

    def sentences(self, actor: str) -> Sequence[str]:
        """One, whatever it is."""
        return (SENTENCE,)

    def emotions(self, actor: str, sentence: str) -> Sequence[str]:
        """The names of the files."""
        return tuple(self._clips)

    def pair(self, actor: str, sentence: str, first: str, second: str) -> ExploredPair:
        """The clips, aligned by their sound."""
        return align_waveforms(self._clips[first], self._clips[second], self.settings)


def _check(path: Path) -> None:
    facts = probe_video(path)
    if not facts.has_audio:
        raise InputError(
            f"{path} has no sound, by which the clips are aligned; give the original recording"
        )
    if facts.seconds is not None and facts.seconds > LONGEST_SECONDS:
        raise InputError(
            f"{path} lasts {facts.seconds:.0f} s; the explorer keeps features of every frame: cut "
            f"the clip to one sentence, at most {LONGEST_SECONDS} s"
        )
    if facts.frames is not None and facts.frames < SHORTEST_FRAMES:
        raise _too_short(path, facts.frames)


def _too_short(path: Path, frames: int) -> InputError:
    return InputError(
        f"{path} has {frames} frames; give a clip of at least {SHORTEST_FRAMES} frames"
    )


def _read(path: Path, name: str, keep: Path, face_size: int, sample_rate: int) -> ExploredClip:
    folder = keep / file_digest(path) / "track"
    track = make_track(folder, path, FaceSettings(face_size=face_size)).track
    if len(track) < SHORTEST_FRAMES:
        raise _too_short(path, len(track))
    decoded = sound_beside(path, probe_video(path), sample_rate)
    if decoded is None or not decoded[0].any():
        raise InputError(f"{path} is silent; the clips are aligned by their sound")
    return ExploredClip(
        title=path.name,
        emotion=name,
        faces=align_faces(stream_frames(path), track.align, face_size),
        waveform=np.ascontiguousarray(decoded[0]),
        sample_rate=sample_rate,
        fps=track.fps,
        expression=track.expression,
    )
