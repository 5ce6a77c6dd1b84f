"""The user's own two clips, tracked and aligned for the explorer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from spfem.artifacts import file_digest
from spfem.corpus.audio import decode_audio
from spfem.corpus.media import in_seconds, open_media
from spfem.corpus.video import probe_video, stream_frames
from spfem.edit.tracking.people import FASTEST_RATE, open_face_finder, shrink_frame
from spfem.edit.tracking.track import make_track
from spfem.errors import InputError
from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair, align_clips
from spfem.face.align import align_faces
from spfem.settings import FaceSettings, PairingSettings

ACTOR, SENTENCE = "own", "own sentence"
SHORTEST_FRAMES, LONGEST_SECONDS = 10, 30


def own_clips(
    first: Path, second: Path, keep: Path, face_size: int, settings: PairingSettings
) -> ClipSource:
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
    paths = [Path(path).expanduser() for path in (first, second)]
    for path in paths:  # what is wrong with either is said before the tracking begins
        _check(path)
    names = [path.stem for path in paths]
    if names[0] == names[1]:
        names = [f"{names[0]} (first)", f"{names[1]} (second)"]
    clips = {
        name: _read(path, name, keep, face_size, settings.sample_rate)
        for name, path in zip(names, paths, strict=True)
    }
    crowd = " ".join(filter(None, map(_several_faces, paths)))

    def read_pair(actor: str, sentence: str, one: str, other: str) -> ExploredPair:
        pair = align_clips(clips[one], clips[other], settings)
        return replace(pair, remark=f"{pair.remark} {crowd}".strip())

    return ClipSource({(ACTOR, SENTENCE): tuple(clips)}, read_pair)


def _check(path: Path) -> None:
    facts = probe_video(path)
    if not facts.has_audio:
        raise InputError(f"{path} has no sound, by which clips are aligned; give the original")
    if (facts.seconds or 0) > LONGEST_SECONDS:
        raise InputError(
            f"{path} lasts {facts.seconds:.0f} s; cut it to one sentence, at most "
            f"{LONGEST_SECONDS} s: a browser keeps descriptors of every frame"
        )
    _check_length(path, facts.frames)


def _check_length(path: Path, frames: int | None) -> None:
    if frames is not None and frames < SHORTEST_FRAMES:
        raise InputError(f"{path} has {frames} frames; give a clip of at least {SHORTEST_FRAMES}")


def _several_faces(path: Path) -> str:
    """A sentence on whose face is explored, if the first frame shows several."""
    with open_face_finder(FASTEST_RATE, None) as find_faces:
        found = len(find_faces(shrink_frame(next(iter(stream_frames(path))))))
    return f"{path.name} shows {found} faces; the largest is explored." if found > 1 else ""


def _read(path: Path, name: str, keep: Path, face_size: int, sample_rate: int) -> ExploredClip:
    folder = keep / file_digest(path) / "track"
    track = make_track(folder, path, FaceSettings(face_size=face_size)).track
    _check_length(path, len(track))
    with open_media(path) as container:
        video = container.streams.video[0]
        decoded = decode_audio(
            container, sample_rate, in_seconds(video.start_time, video.time_base)
        )
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
