"""The pair index: which frames of a neutral and an emotional clip are the same spoken moment.

What stands in for the exact truth where a corpus has none: on recordings.

The embedded corpus knows which mouth shape is shown in every frame and where it stands in its
sentence. Of recordings we know what we hear: kinds of sound take the place of mouth shapes, and
our own alignment that of the phoneme clock. Numbers measured with them say how consistent a metric
is with sound and alignment, not how right it is; they are not comparable with those of the
embedded corpus.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import ArtifactError, CorpusError, InputError
from spfem.files import file_digest, write_json, writing
from spfem.media.audio import read_audio
from spfem.media.probe import probe_video
from spfem.pairing.dtw import align_sequences, alignment_features
from spfem.released.pairs import fit_to_clips, read_released_paths, released_couples
from spfem.run.artifacts import Stage, open_stage
from spfem.settings import EMOTIONS, PairingSettings

PATHS_NAME = "aligned_path.json"
PAIRS_NAME = "pairs.json"


@dataclass(frozen=True)
class Pair:
    """The same actor says the same sentence in neutral and in another emotion.

    Attributes:
        source: key of the neutral clip.
        target: key of the emotional clip.
        path: int32 (L, 2) frame indices (source, target), both not decreasing, with repeats.
        normalised_cost: mean local cost on the path.
        usable: whether the cost is low enough to trust the path.
    """

    source: str
    target: str
    path: np.ndarray
    normalised_cost: float
    usable: bool

    @property
    def actor(self) -> str:
        """Who speaks."""
        return self.target.split("/")[0]

    @property
    def emotion(self) -> str:
        """Emotion of the target clip."""
        return self.target.split("/")[1]


@dataclass(frozen=True)
class PairIndex:
    """All pairs of a corpus, with the roles of its actors and the digest of the stage."""

    pairs: tuple[Pair, ...]
    roles: Mapping[str, str]
    digest: str

    def select(
        self,
        *,
        role: str | None = None,
        actor: str | None = None,
        emotion: str | None = None,
        usable: bool | None = True,
    ) -> tuple[Pair, ...]:
        """Return the pairs that match every given value; unusable ones only if asked for."""
        return tuple(
            pair
            for pair in self.pairs
            if role in (None, self.roles[pair.actor])
            and actor in (None, pair.actor)
            and emotion in (None, pair.emotion)
            and usable in (None, pair.usable)
        )


def _features(clip: Clip, corpus: Corpus, settings: PairingSettings) -> tuple[np.ndarray, int]:
    """Features of a clip and the number of its video frames."""
    audio = read_audio(clip.audio, settings.sample_rate)
    features = alignment_features(audio, corpus.fps, settings)
    return features, probe_video(clip.video).frames or len(features)


def align_clips(
    source: Clip,
    target: Clip,
    features: Mapping[str, tuple[np.ndarray, int]],
    settings: PairingSettings,
) -> Pair:
    """Align two clips by their features (N, C); entries beyond the last video frame are cut."""
    (a, frames_a), (b, frames_b) = features[source.key], features[target.key]
    alignment = align_sequences(a, b)
    inside = (alignment.path < (frames_a, frames_b)).all(1)
    cost = alignment.normalised_cost
    usable = settings.trusts(cost)
    return Pair(source.key, target.key, alignment.path[inside].astype(np.int32), cost, usable)


def follow_path(
    source: Clip,
    target: Clip,
    features: Mapping[str, tuple[np.ndarray, int]],
    settings: PairingSettings,
    path: np.ndarray,
) -> Pair:
    """The pair of two clips with a released path (L, 2), and what it costs by our features."""
    (a, frames_a), (b, frames_b) = features[source.key], features[target.key]
    name = f"{target.actor}/{target.emotion}/{source.number}_{target.number}"
    path = fit_to_clips(path, (frames_a, frames_b), name, Path(settings.paths_file or ""))
    heard = path[(path < (len(a), len(b))).all(1)]  # the sound may end before the video
    cost = float(np.abs(a[heard[:, 0]] - b[heard[:, 1]]).sum(1).mean())
    usable = settings.trusts(cost)
    return Pair(source.key, target.key, path, cost, usable)


def _couples(corpus: Corpus) -> list[tuple[Clip, Clip]]:
    """Neutral and emotional clip of each actor, emotion and shared sentence."""
    neutral = {(clip.actor, clip.sentence): clip for clip in corpus.select(emotion=EMOTIONS[0])}
    return [
        (neutral[clip.actor, clip.sentence], clip)
        for clip in corpus.clips
        if clip.emotion != EMOTIONS[0] and (clip.actor, clip.sentence) in neutral
    ]


def _save(folder: Path, pairs: list[Pair]) -> None:
    paths: dict[str, dict[str, dict[str, list[list[int]]]]] = {}
    for pair in pairs:
        numbers = f"{Path(pair.source).name}_{Path(pair.target).name}"
        emotions = paths.setdefault(pair.actor, {}).setdefault(pair.emotion, {})
        emotions[numbers] = pair.path.T.tolist()
    with writing(folder / PATHS_NAME) as aside:
        aside.write_text(json.dumps(paths, separators=(",", ":")), encoding="utf-8")
    rows = [{key: value for key, value in asdict(pair).items() if key != "path"} for pair in pairs]
    write_json(folder / PAIRS_NAME, rows)


def _load(folder: Path, corpus: Corpus, stage: Stage) -> PairIndex:
    try:
        paths = json.loads((folder / PATHS_NAME).read_text(encoding="utf-8"))
        rows = json.loads((folder / PAIRS_NAME).read_text(encoding="utf-8"))
        pairs = []
        for row in rows:
            actor, emotion = row["target"].split("/")[:2]
            numbers = f"{Path(row['source']).name}_{Path(row['target']).name}"
            path = np.array(paths[actor][emotion][numbers], dtype=np.int32).T
            pairs.append(Pair(path=path, **row))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{folder} holds a damaged pair index ({type(error).__name__}: {error}); "
            "delete the folder and run again"
        ) from None
    return PairIndex(tuple(pairs), corpus.roles, stage.digest)


def _report_refused(reasons: list[str], released: int) -> None:
    """Warn of released paths that do not fit, whose clips were aligned by their sound."""
    if len(reasons) == released:
        raise InputError(f"no released path fits its clips; the first: {reasons[0]}")
    warnings.warn(
        f"{len(reasons)} of {released} released paths do not fit their clips, which are aligned "
        f"by their sound instead; the first: {reasons[0]}",
        UserWarning,
        stacklevel=3,
    )


def pair_corpus(corpus: Corpus, folder: Path, settings: PairingSettings) -> PairIndex:
    """Align every emotional clip with the neutral clip of the same actor and sentence.

    Writes `aligned_path.json` in the released form {actor: {emotion: {"NNN_MMM": [[source frames],
    [target frames]]}}}, numbers of the neutral and the emotional clip, and `pairs.json` with the
    costs. A complete folder with the same inputs and settings is read back.

    Args:
        corpus: the clips.
        folder: of the stage.
        settings: of the stage; `maximum_cost` decides which pairs are usable. With `paths_file`,
            the pairs of the actors that it lists are those it lists, with its paths; other actors
            (the papers' targets) are aligned as ever.

    Raises:
        CorpusError: if no sentence is said both in neutral and in another emotion.
        InputError: if `paths_file` is damaged or fits no clip of the corpus.
        ArtifactError: if the folder cannot be used.

    Source: SCMCL, audio alignment. Departs from the released code: sentences are matched by their
    words instead of by fixed numbers, rows follow the frame rate of the corpus, cepstra are
    normalised (see `alignment_features`), and costly pairs are marked as unusable.
    """
    couples, inputs = _couples(corpus), {"corpus": corpus.digest}
    released: dict[tuple[str, str], tuple[Clip, Clip, np.ndarray]] = {}
    if settings.paths_file:
        paths = read_released_paths(Path(settings.paths_file))
        released = released_couples(corpus, paths, Path(settings.paths_file))
        inputs["paths"] = file_digest(Path(settings.paths_file))
        listed = {actor for actor, *_ in paths}
        couples = [couple for couple in couples if couple[0].actor not in listed]
        couples += [(source, target) for source, target, _ in released.values()]
    if not couples:
        raise CorpusError(
            f"{corpus.root}: no sentence is said in neutral and in another emotion by one actor; "
            "pairing needs that"
        )
    stage = open_stage(
        folder,
        "pairing",
        settings=replace(settings, paths_file=None),  # its content counts, not its place
        inputs=inputs,
        code=(pair_corpus,),
    )
    if not stage.complete:
        wanted = {clip.key: clip for couple in couples for clip in couple}
        features = {
            key: _features(clip, corpus, settings)
            for key, clip in tqdm(wanted.items(), desc="audio features", unit="clip")
        }
        pairs, refused = [], []
        for source, target in tqdm(couples, desc="aligning", unit="pair"):
            if (source.key, target.key) in released:
                path = released[source.key, target.key][2]
                try:
                    pairs.append(follow_path(source, target, features, settings, path))
                    continue
                except InputError as error:
                    refused.append(str(error))
            pairs.append(align_clips(source, target, features, settings))
        if refused:
            _report_refused(refused, len(released))
        _save(folder, pairs)
        unusable = sum(not pair.usable for pair in pairs)
        stage.finish(pairs=len(pairs), unusable=unusable, released=len(released) - len(refused))
    return _load(folder, corpus, stage)


SOUND_KINDS = 8
SILENCE_DECIBELS = 30.0  # below the loud frames of a clip
_LOUD_QUANTILE = 0.95
_LEARNED_FRAMES = 20_000  # at most, of which the kinds are learned


def kinds_of_sound(
    corpus: Corpus, pairs: PairIndex, frames: Mapping[str, int], settings: PairingSettings
) -> dict[str, np.ndarray]:
    """Number of the kind of sound heard in each frame of every clip that is in a pair.

    Kinds are clusters (k-means, a fixed seed) of the cepstra that the alignment uses, which are
    freed of loudness and microphone clip by clip.

    Args:
        corpus: the clips.
        pairs: says which clips are needed.
        frames: number of video frames T of each clip.
        settings: of the pairing stage.

    Returns:
        int64 (T,) by clip key.
    """
    from sklearn.cluster import KMeans

    features = {
        clip.key: _fit_length(
            alignment_features(read_audio(clip.audio, settings.sample_rate), corpus.fps, settings),
            frames[clip.key],
        )
        for clip in corpus.clips
        if clip.key in _keys(pairs)
    }
    everything = np.concatenate(list(features.values()))
    chosen = np.random.default_rng(0).permutation(len(everything))[:_LEARNED_FRAMES]
    kinds = min(SOUND_KINDS, len(chosen))
    model = KMeans(kinds, n_init=3, random_state=0).fit(everything[chosen])
    return {key: model.predict(rows).astype(np.int64) for key, rows in features.items()}


def clocks_of_pairs(
    corpus: Corpus, pairs: PairIndex, frames: Mapping[str, int], settings: PairingSettings
) -> dict[str, np.ndarray]:
    """Clock of each clip that is in a pair: equal values are the same moment of the sentence.

    A neutral clip's clock counts its frames with a voice and stands still in silence; the clock
    of an emotional clip is that of the neutral frames that our alignment gives its frames.

    Args:
        corpus: the clips.
        pairs: with their paths.
        frames: number of video frames T of each clip.
        settings: of the pairing stage.

    Returns:
        float64 (T,) by clip key, never decreasing.
    """
    clips = {clip.key: clip for clip in corpus.clips}
    clocks: dict[str, np.ndarray] = {}
    for pair in pairs.select(usable=None):
        if pair.source not in clocks:
            sound = read_audio(clips[pair.source].audio, settings.sample_rate)
            heard = voiced_frames(sound, settings.sample_rate / float(corpus.fps))
            clocks[pair.source] = _fit_length(heard.astype(float), frames[pair.source]).cumsum()
        clocks[pair.target] = _carry(clocks[pair.source], pair.path, frames[pair.target])
    return clocks


def voiced_frames(audio: np.ndarray, frame_samples: float) -> np.ndarray:
    """Whether each frame (T,) is less than `SILENCE_DECIBELS` below the loud ones of the clip.

    Args:
        audio: float (A,) in [-1, 1].
        frame_samples: samples a video frame.
    """
    count = max(1, int(len(audio) / frame_samples))
    edges = (np.arange(count + 1) * frame_samples).round().astype(int)
    energy = np.array([np.mean(audio[a:b] ** 2) for a, b in pairwise(edges)])
    loud = np.quantile(energy, _LOUD_QUANTILE)
    return energy > max(loud, np.finfo(float).tiny) * 10 ** (-SILENCE_DECIBELS / 10)


def _carry(clock: np.ndarray, path: np.ndarray, frames: int) -> np.ndarray:
    """The neutral clock on the frames of the other clip; frames off the path by interpolation."""
    source, target = path.T
    met = np.unique(target)
    sums = np.bincount(target, weights=clock[source], minlength=frames)[met]
    return np.interp(np.arange(frames), met, sums / np.bincount(target, minlength=frames)[met])


def _keys(pairs: PairIndex) -> set[str]:
    return {key for pair in pairs.select(usable=None) for key in (pair.source, pair.target)}


def _fit_length(rows: np.ndarray, frames: int) -> np.ndarray:
    """Rows cut to `frames`, or with the last one repeated: sound may end before the video."""
    return rows[np.minimum(np.arange(frames), len(rows) - 1)]
