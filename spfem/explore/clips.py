"""Two clips of the same words as the explorer looks at them: of a corpus, or the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spfem.errors import InputError
from spfem.face.align import align_faces
from spfem.face.clip_track import shrink_frame
from spfem.face.tracker import FASTEST_RATE, open_face_finder
from spfem.files import file_digest
from spfem.media.audio import sound_beside
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames
from spfem.pairing.dtw import align_sequences, alignment_features
from spfem.run.faces import make_track
from spfem.settings import FaceSettings, PairingSettings


@dataclass(frozen=True, eq=False)  # a clip is the key of what was computed for it
class ExploredClip:
    """One clip of T frames.

    Attributes:
        title: names the clip to a reader.
        emotion: that it is spoken in.
        faces: (T, S, S, 3) uint8 RGB, aligned.
        waveform: (A,) float32 mono in [-1, 1]; sample 0 sounds with frame 0.
        sample_rate: of the waveform, in hertz.
        fps: frames per second.
        visemes: of each frame, where they are known.
        expression: (T, E) face units, where they are known.
    """

    title: str
    emotion: str
    faces: np.ndarray
    waveform: np.ndarray
    sample_rate: int
    fps: float
    visemes: tuple[str, ...] | None = None
    expression: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ExploredPair:
    """Two clips of the same words, of T and U frames.

    Attributes:
        first: the clip that a place is chosen on.
        second: the clip that it is compared with.
        path: (N, 2) frames of the first and of the second clip that say the same, in order.
        remark: what a reader should know of the pair, such as that its sounds hardly fit.
    """

    first: ExploredClip
    second: ExploredClip
    path: np.ndarray
    remark: str = ""


@dataclass(frozen=True)
class ClipSource:
    """Emotions by (actor, sentence), and what reads two: of actor, sentence and two emotions."""

    spoken: Mapping[tuple[str, str], tuple[str, ...]]
    read_pair: Callable[[str, str, str, str], ExploredPair]


def align_clips(
    first: ExploredClip, second: ExploredClip, settings: PairingSettings
) -> ExploredPair:
    """Pair two clips of any frame rates by their sound, as the pairing stage does."""
    heard = [alignment_features(clip.waveform, clip.fps, settings) for clip in (first, second)]
    path, _, cost = align_sequences(heard[0], heard[1])
    path = path[(path < (len(first.faces), len(second.faces))).all(1)]
    return ExploredPair(first, second, path, doubt_alignment(cost, settings))


def doubt_alignment(cost: float, settings: PairingSettings) -> str:
    """What to say of an alignment of a mean cost; nothing of one that can be trusted."""
    if settings.trusts(cost):
        return ""
    return (
        f"The sounds hardly fit (cost {cost:.1f}, trusted up to {settings.maximum_cost:.1f}): "
        "do both clips say the same words?"
    )


SHORTEST_FRAMES, LONGEST_SECONDS = 10, 30


def _check_speech(path: Path) -> None:
    """Refuse what cannot be explored, as far as that is known without tracking."""
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


def _check_length(path: Path, frames: int | None) -> None:
    if frames is not None and frames < SHORTEST_FRAMES:
        raise InputError(
            f"{path} has {frames} frames; give a clip of at least {SHORTEST_FRAMES} frames"
        )


def track_speech(
    path: Path, name: str, keep: Path, face_size: int, sample_rate: int
) -> tuple[ExploredClip, int]:
    """Follow the largest face of a video and read its sound.

    Args:
        path: the video.
        name: that stands for its emotion.
        keep: folder of tracks, which edits of own clips use as well.
        face_size: side of the aligned faces, in pixels.
        sample_rate: of the sound, in hertz.

    Returns:
        The clip, and how many faces its first frame shows.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if the file is too short, or silent.
    """
    folder = keep / file_digest(path) / "track"
    track = make_track(folder, path, FaceSettings(face_size=face_size)).track
    _check_length(path, len(track))
    decoded = sound_beside(path, probe_video(path), sample_rate)
    if decoded is None or not decoded.any():
        raise InputError(f"{path} is silent; clips are aligned by their sound")
    with open_face_finder(FASTEST_RATE) as find_faces:
        people = len(find_faces(shrink_frame(next(iter(stream_frames(path))))))
    faces = align_faces(stream_frames(path), track.align, face_size)
    waveform = np.ascontiguousarray(decoded)
    clip = ExploredClip(
        path.name, name, faces, waveform, sample_rate, track.fps, expression=track.expression
    )
    return clip, people


ACTOR, SENTENCE = "own", "own sentence"


def own_clips(
    first: Path, second: Path, keep: Path, face_size: int, settings: PairingSettings
) -> ClipSource:
    """Two video files of one person who says the same twice; their names stand for emotions.

    Raises:
        FaceNotFoundError: if a file shows no face.
        InputError: if a file cannot be read, has no sound, is too short or too long.
    """
    paths = [Path(path).expanduser() for path in (first, second)]
    for path in paths:  # what is wrong with either is said before the tracking begins
        _check_speech(path)
    names, remarks = [path.stem for path in paths], []
    clips: dict[str, ExploredClip] = {}
    if names[0] == names[1]:
        names = [f"{names[0]} (first)", f"{names[1]} (second)"]
    for name, path in zip(names, paths, strict=True):
        clips[name], people = track_speech(path, name, keep, face_size, settings.sample_rate)
        if people > 1:
            remarks.append(f"{path.name} shows {people} faces; the largest is explored.")

    def read_pair(actor: str, sentence: str, one: str, other: str) -> ExploredPair:
        pair = align_clips(clips[one], clips[other], settings)
        return replace(pair, remark=" ".join(filter(None, [pair.remark, *remarks])))

    return ClipSource({(ACTOR, SENTENCE): tuple(clips)}, read_pair)
