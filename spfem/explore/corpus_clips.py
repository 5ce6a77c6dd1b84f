"""Clips of a workspace's corpus, for the explorer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair, align_clips
from spfem.face.track_file import FaceTrack
from spfem.media.audio import read_audio
from spfem.pairing.index import PairIndex
from spfem.pairing.moments import doubt_alignment
from spfem.settings import EMOTIONS, PairingSettings

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
