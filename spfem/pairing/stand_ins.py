"""What stands in for the exact truth where a corpus has none: on recordings.

The embedded corpus knows which mouth shape is shown in every frame and where it stands in its
sentence. Of recordings we know what we hear: kinds of sound take the place of mouth shapes, and
our own alignment that of the phoneme clock. Numbers measured with them say how consistent a metric
is with sound and alignment, not how right it is; they are not comparable with those of the
embedded corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from spfem.corpus.clips import Corpus
from spfem.media.audio import read_audio
from spfem.pairing.features import alignment_features
from spfem.pairing.index import PairIndex
from spfem.settings import PairingSettings

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
