"""The pair index: which frames of a neutral and an emotional clip are the same spoken moment.

And what stands in for the exact truth where a corpus has none, on recordings: kinds of sound take
the place of mouth shapes, our own alignment that of the phoneme clock. Numbers measured with them
say how consistent a metric is with sound and alignment, not how right it is; they are not
comparable with those of the embedded corpus.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import ArtifactError, CorpusError, InputError
from spfem.files import write_json, writing
from spfem.media.audio import read_audio
from spfem.media.probe import probe_video
from spfem.pairing.dtw import align_sequences, alignment_features
from spfem.pairing.released_paths import fit_to_clips, read_released_paths, released_couples
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


Couple = tuple[Clip, Clip, np.ndarray | None]
"""Neutral clip, emotional clip, and their released path (L, 2) where there is one."""


def find_couples(corpus: Corpus, settings: PairingSettings) -> list[Couple]:
    """Neutral and emotional clip of each actor, emotion and shared sentence.

    With `paths_file`, the pairs of the actors that it lists are those it lists, with its paths;
    other actors (the papers' targets) are aligned as ever.

    Raises:
        CorpusError: if no sentence is said both in neutral and in another emotion.
        InputError: if `paths_file` is damaged or fits no clip of the corpus.
    """
    released: list[Couple] = []
    listed = set()
    if settings.paths_file:
        file = Path(settings.paths_file)
        paths = read_released_paths(file)
        listed = {actor for actor, *_ in paths}
        released = list(released_couples(corpus, paths, file))
    neutral = {(clip.actor, clip.sentence): clip for clip in corpus.select(emotion=EMOTIONS[0])}
    couples: list[Couple] = [
        (neutral[clip.actor, clip.sentence], clip, None)
        for clip in corpus.clips
        if clip.emotion != EMOTIONS[0] and (clip.actor, clip.sentence) in neutral
        if clip.actor not in listed
    ]
    if not couples and not released:
        raise CorpusError(
            f"{corpus.root}: no sentence is said in neutral and in another emotion by one actor; "
            "pairing needs that"
        )
    return couples + released


def align_couples(
    couples: Sequence[Couple], corpus: Corpus, settings: PairingSettings
) -> tuple[list[Pair], int]:
    """The pair of every couple, and how many have a released path that fits.

    Source: SCMCL, audio alignment. Departs from the released code: sentences are matched by their
    words instead of by fixed numbers, rows follow the frame rate of the corpus, cepstra are
    normalised (see `alignment_features`), and costly pairs are marked as unusable.

    Raises:
        InputError: if there are released paths, and none fits its clips.
    """
    wanted = {clip.key: clip for source, target, _ in couples for clip in (source, target)}
    heard: dict[str, tuple[np.ndarray, int]] = {}
    for key, clip in tqdm(wanted.items(), desc="audio features", unit="clip"):
        audio = read_audio(clip.audio, settings.sample_rate)
        features = alignment_features(audio, corpus.fps, settings)
        heard[key] = features, probe_video(clip.video).frames or len(features)
    pairs, refused = [], []
    for source, target, path in tqdm(couples, desc="aligning", unit="pair"):
        (a, frames_a), (b, frames_b) = heard[source.key], heard[target.key]
        frames = frames_a, frames_b
        kept = None
        if path is not None:
            name = f"{target.actor}/{target.emotion}/{source.number}_{target.number}"
            try:
                kept = fit_to_clips(path, frames, name, Path(settings.paths_file or ""))
            except InputError as error:
                refused.append(str(error))
        if kept is not None:
            both = kept[(kept < (len(a), len(b))).all(1)]  # the sound may end before the video
            cost = float(np.abs(a[both[:, 0]] - b[both[:, 1]]).sum(1).mean())
        else:
            alignment = align_sequences(a, b)
            kept = alignment.path[(alignment.path < frames).all(1)].astype(np.int32)
            cost = alignment.normalised_cost
        pairs.append(Pair(source.key, target.key, kept, cost, settings.trusts(cost)))
    released = sum(path is not None for *_, path in couples)
    if refused and len(refused) == released:
        raise InputError(f"no released path fits its clips; the first: {refused[0]}")
    if refused:
        warnings.warn(
            f"{len(refused)} of {released} released paths do not fit their clips, which are "
            f"aligned by their sound instead; the first: {refused[0]}",
            UserWarning,
            stacklevel=3,
        )
    return pairs, released - len(refused)


def save_pairs(folder: Path, pairs: Sequence[Pair]) -> None:
    """Write `aligned_path.json` in the released form, and `pairs.json` with the costs.

    The form is {actor: {emotion: {"NNN_MMM": [[source frames], [target frames]]}}}, with numbers
    of the neutral and the emotional clip.
    """
    paths: dict[str, dict[str, dict[str, list[list[int]]]]] = {}
    for pair in pairs:
        numbers = f"{Path(pair.source).name}_{Path(pair.target).name}"
        emotions = paths.setdefault(pair.actor, {}).setdefault(pair.emotion, {})
        emotions[numbers] = pair.path.T.tolist()
    with writing(folder / PATHS_NAME) as aside:
        aside.write_text(json.dumps(paths, separators=(",", ":")), encoding="utf-8")
    rows = [{key: value for key, value in asdict(pair).items() if key != "path"} for pair in pairs]
    write_json(folder / PAIRS_NAME, rows)


def load_pairs(folder: Path) -> tuple[Pair, ...]:
    """Read what `save_pairs` wrote.

    Raises:
        ArtifactError: if a file is missing or damaged.
    """
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
    return tuple(pairs)


SOUND_KINDS = 8
SILENCE_DECIBELS = 30.0  # below the loud frames of a clip
_LOUD_QUANTILE = 0.95
_LEARNED_FRAMES = 20_000  # at most, of which the kinds are learned


def kinds_of_sound(
    corpus: Corpus, pairs: PairIndex, frames: Mapping[str, int], settings: PairingSettings
) -> dict[str, np.ndarray]:
    """Kind of sound, int64 (T,), heard in each frame of every clip that is in a pair, by clip key.

    Kinds are clusters (k-means, a fixed seed) of the cepstra that the alignment uses, which are
    freed of loudness and microphone clip by clip.
    """
    from sklearn.cluster import KMeans

    keys = {key for pair in pairs.pairs for key in (pair.source, pair.target)}
    features = {
        clip.key: _fit_length(
            alignment_features(read_audio(clip.audio, settings.sample_rate), corpus.fps, settings),
            frames[clip.key],
        )
        for clip in corpus.clips
        if clip.key in keys
    }
    everything = np.concatenate(list(features.values()))
    chosen = np.random.default_rng(0).permutation(len(everything))[:_LEARNED_FRAMES]
    kinds = min(SOUND_KINDS, len(chosen))
    model = KMeans(kinds, n_init=3, random_state=0).fit(everything[chosen])
    return {key: model.predict(rows).astype(np.int64) for key, rows in features.items()}


def clocks_of_pairs(
    corpus: Corpus, pairs: PairIndex, frames: Mapping[str, int], settings: PairingSettings
) -> dict[str, np.ndarray]:
    """Clock, float64 (T,), of each clip that is in a pair, by clip key, never decreasing.

    Equal values are the same moment of the sentence. `frames` counts those of each clip.

    A neutral clip's clock counts its frames with a voice and stands still in silence; the clock
    of an emotional clip is that of the neutral frames that our alignment gives its frames.
    """
    clips = {clip.key: clip for clip in corpus.clips}
    clocks: dict[str, np.ndarray] = {}
    for pair in pairs.pairs:
        if pair.source not in clocks:
            sound = read_audio(clips[pair.source].audio, settings.sample_rate)
            heard = voiced_frames(sound, settings.sample_rate / float(corpus.fps))
            clocks[pair.source] = _fit_length(heard.astype(float), frames[pair.source]).cumsum()
        # The neutral clock on the frames of the other clip; frames off the path in between.
        source, target = pair.path.T
        count = frames[pair.target]
        met = np.unique(target)
        sums = np.bincount(target, weights=clocks[pair.source][source], minlength=count)
        means = sums[met] / np.bincount(target, minlength=count)[met]
        clocks[pair.target] = np.interp(np.arange(count), met, means)
    return clocks


def voiced_frames(audio: np.ndarray, frame_samples: float) -> np.ndarray:
    """Whether each frame (T,) is less than `SILENCE_DECIBELS` below the loud ones of the clip.

    The sound is float (A,) in [-1, 1], `frame_samples` of it a video frame.
    """
    count = max(1, int(len(audio) / frame_samples))
    edges = (np.arange(count + 1) * frame_samples).round().astype(int)
    energy = np.array([np.mean(audio[a:b] ** 2) for a, b in pairwise(edges)])
    loud = np.quantile(energy, _LOUD_QUANTILE)
    return energy > max(loud, np.finfo(float).tiny) * 10 ** (-SILENCE_DECIBELS / 10)


def _fit_length(rows: np.ndarray, frames: int) -> np.ndarray:
    """Rows cut to `frames`, or with the last one repeated: sound may end before the video."""
    return rows[np.minimum(np.arange(frames), len(rows) - 1)]
