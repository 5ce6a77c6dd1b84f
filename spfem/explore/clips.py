"""Two clips of the same words as the explorer looks at them: of a corpus, or the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import ShapeError
from spfem.face.clip_track import check_speech, track_speech
from spfem.face.track import FaceTrack
from spfem.media.audio import read_audio
from spfem.pairing.moments import SoundingFrames, align_waveforms, doubt_alignment
from spfem.pairing.pairs import PairIndex
from spfem.settings import EMOTIONS, PairingSettings


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

    Raises:
        ShapeError: if an array has the wrong shape or type.
    """

    title: str
    emotion: str
    faces: np.ndarray
    waveform: np.ndarray
    sample_rate: int
    fps: float
    visemes: tuple[str, ...] | None = None
    expression: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape, kind = self.faces.shape, self.faces.dtype
        square = len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3 and shape[0] > 0
        name = repr(self.title)
        if not square or kind != np.uint8:
            raise ShapeError(f"faces of {name} must be uint8 (T, S, S, 3), found {kind} {shape}")
        for what, rows in (("visemes", self.visemes), ("expression", self.expression)):
            if rows is not None and len(rows) != shape[0]:
                raise ShapeError(f"{what} of {name}: {shape[0]} are wanted, found {len(rows)}")


@dataclass(frozen=True, eq=False)
class ExploredPair:
    """Two clips of the same words, of T and U frames.

    Attributes:
        first: the clip that a place is chosen on.
        second: the clip that it is compared with.
        path: (N, 2) frames of the first and of the second clip that say the same, in order.
        remark: what a reader should know of the pair, such as that its sounds hardly fit.

    Raises:
        ShapeError: if the path is no (N, 2), or leaves the clips.
    """

    first: ExploredClip
    second: ExploredClip
    path: np.ndarray
    remark: str = ""

    def __post_init__(self) -> None:
        lengths, path = (len(self.first.faces), len(self.second.faces)), self.path
        if path.ndim != 2 or path.shape[1] != 2 or not len(path):
            raise ShapeError(f"the path must be (N, 2) with N >= 1, found {path.shape}")
        if path.min() < 0 or (path.max(axis=0) >= lengths).any():
            raise ShapeError(f"the path runs to frames {path.max(axis=0)} of {lengths}")


@dataclass(frozen=True)
class ClipSource:
    """Emotions by (actor, sentence), and what reads two: of actor, sentence and two emotions."""

    spoken: Mapping[tuple[str, str], tuple[str, ...]]
    read_pair: Callable[[str, str, str, str], ExploredPair]


def align_clips(
    first: ExploredClip, second: ExploredClip, settings: PairingSettings
) -> ExploredPair:
    """Pair two clips by their sound."""
    sides = [SoundingFrames(clip.waveform, len(clip.faces), clip.fps) for clip in (first, second)]
    path, cost = align_waveforms(sides[0], sides[1], settings)
    return ExploredPair(first, second, path, doubt_alignment(cost, settings))


SHOWN_ROLES = ("held_out", "target")  # actors whom no metric has learned from
KEPT_CLIPS = 24


def corpus_clips(
    corpus: Corpus, faces: Mapping[str, FaceTrack], pairs: PairIndex, settings: PairingSettings
) -> ClipSource:
    """Sentences of a corpus that an actor says in at least two emotions.

    Shown are the actors whom no metric has learned from, held-out ones before targets; all, where
    there are no others. Of several clips of one sentence in one emotion the strongest counts.
    Clips without a path among `pairs` are aligned by their sound when they are chosen; `faces` are
    tracks by clip key.
    """
    paths = {(pair.source, pair.target): pair for pair in pairs.pairs}
    everything: dict[tuple[str, str], dict[str, Clip]] = {}
    for clip in corpus.clips:  # sorted by level within an emotion
        everything.setdefault((clip.actor, clip.sentence), {})[clip.emotion] = clip
    told = {key: clips for key, clips in sorted(everything.items()) if len(clips) > 1}
    unseen = [key for role in SHOWN_ROLES for key in told if corpus.roles[key[0]] == role]

    @lru_cache(KEPT_CLIPS)
    def read(clip: Clip) -> ExploredClip:
        return _read_clip(clip, corpus, faces[clip.key], settings.sample_rate)

    def read_pair(actor: str, sentence: str, first: str, second: str) -> ExploredPair:
        clips = [told[actor, sentence][emotion] for emotion in (first, second)]
        shown = [read(clip) for clip in clips]
        keys = (clips[0].key, clips[1].key)
        known = paths.get(keys) or paths.get(keys[::-1])
        if known is None:
            return align_clips(shown[0], shown[1], settings)
        path = known.path if known.source == keys[0] else known.path[:, ::-1]
        remark = doubt_alignment(known.normalised_cost, settings)
        return ExploredPair(shown[0], shown[1], np.asarray(path), remark)

    spoken = {key: tuple(e for e in EMOTIONS if e in told[key]) for key in unseen or told}
    return ClipSource(spoken, read_pair)


def _read_clip(clip: Clip, corpus: Corpus, track: FaceTrack, sample_rate: int) -> ExploredClip:
    visemes = None
    if corpus.has_truth:
        with np.load(clip.truth) as truth:
            visemes = tuple(str(name) for name in truth["viseme_names"][truth["viseme"]])
    return ExploredClip(
        title=f"{clip.actor}, {clip.sentence}, {clip.emotion}",
        emotion=clip.emotion,
        faces=track.faces,
        waveform=read_audio(clip.audio, sample_rate),
        sample_rate=sample_rate,
        fps=float(corpus.fps),
        visemes=visemes,
        expression=track.expression,
    )


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
        check_speech(path)
    names, clips, remarks = [path.stem for path in paths], {}, []
    if names[0] == names[1]:
        names = [f"{names[0]} (first)", f"{names[1]} (second)"]
    for name, path in zip(names, paths, strict=True):
        said = track_speech(path, keep, face_size, settings.sample_rate)
        clips[name] = ExploredClip(
            path.name, name, said.faces, said.waveform, settings.sample_rate, said.fps,
            expression=said.expression,
        )  # fmt: skip
        if said.people > 1:
            remarks.append(f"{path.name} shows {said.people} faces; the largest is explored.")

    def read_pair(actor: str, sentence: str, one: str, other: str) -> ExploredPair:
        pair = align_clips(clips[one], clips[other], settings)
        return replace(pair, remark=" ".join(filter(None, [pair.remark, *remarks])))

    return ClipSource({(ACTOR, SENTENCE): tuple(clips)}, read_pair)
