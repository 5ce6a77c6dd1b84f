"""Clips of a workspace's corpus, for the explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.explore.alignment import align_waveforms, doubt
from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.explore.recent import Recent
from spfem.face.track_file import FaceTrack
from spfem.media.audio import read_audio
from spfem.pairing.index import PairIndex
from spfem.settings import EMOTIONS, PairingSettings

SHOWN_ROLES = ("held_out", "target")  # actors whom no metric has learned from
KEPT_CLIPS = 24


class CorpusClips:
    """Sentences of a corpus that an actor says in at least two emotions.

    Shown are the actors whom no metric has learned from; all, where there are no others. Of
    several clips of one sentence in one emotion the strongest counts.

    Args:
        corpus: the clips.
        faces: their tracks by clip key.
        pairs: paths between neutral and emotional clips; between others, or where the pairing
            has none, clips are aligned by their sound when they are chosen.
        settings: of the alignment.
    """

    def __init__(
        self,
        corpus: Corpus,
        faces: Mapping[str, FaceTrack],
        pairs: PairIndex,
        settings: PairingSettings,
    ) -> None:
        self.corpus, self.faces, self.settings = corpus, faces, settings
        self._paths = {(pair.source, pair.target): pair for pair in pairs.pairs}
        self._read: Recent[ExploredClip] = Recent(KEPT_CLIPS)
        everything: dict[str, dict[str, dict[str, Clip]]] = {}
        for clip in corpus.clips:  # sorted by level within an emotion
            said = everything.setdefault(clip.actor, {}).setdefault(clip.sentence, {})
            said[clip.emotion] = clip
        spoken = {
            actor: {sentence: said for sentence, said in sentences.items() if len(said) > 1}
            for actor, sentences in everything.items()
        }
        spoken = {actor: sentences for actor, sentences in spoken.items() if sentences}
        unseen = [actor for role in SHOWN_ROLES for actor in spoken if corpus.roles[actor] == role]
        self._clips = {actor: spoken[actor] for actor in unseen or spoken}

    def actors(self) -> Sequence[str]:
        """Held-out actors before targets."""
        return tuple(self._clips)

    def sentences(self, actor: str) -> Sequence[str]:
        """Keys of what an actor says in at least two emotions."""
        return tuple(sorted(self._clips[actor]))

    def emotions(self, actor: str, sentence: str) -> Sequence[str]:
        """In the order of `EMOTIONS`."""
        return tuple(name for name in EMOTIONS if name in self._clips[actor][sentence])

    def pair(self, actor: str, sentence: str, first: str, second: str) -> ExploredPair:
        """The clips in two emotions, with the path of the pairing stage where it has one."""
        clips = [self._clips[actor][sentence][emotion] for emotion in (first, second)]
        shown = [self._explored(clip) for clip in clips]
        keys = (clips[0].key, clips[1].key)
        known = self._paths.get(keys) or self._paths.get(keys[::-1])
        if known is None:
            return align_waveforms(shown[0], shown[1], self.settings)
        path = known.path if known.source == keys[0] else known.path[:, ::-1]
        remark = doubt(known.normalised_cost, self.settings)
        return ExploredPair(shown[0], shown[1], np.asarray(path), remark)

    def _explored(self, clip: Clip) -> ExploredClip:
        return self._read.get(clip.key, lambda: self._read_clip(clip))

    def _read_clip(self, clip: Clip) -> ExploredClip:
        track = self.faces[clip.key]
        return ExploredClip(
            title=f"{clip.actor}, {clip.sentence}, {clip.emotion}",
            emotion=clip.emotion,
            faces=track.faces,
            waveform=read_audio(clip.audio, self.settings.sample_rate),
            sample_rate=self.settings.sample_rate,
            fps=float(self.corpus.fps),
            visemes=self._read_visemes(clip),
            expression=track.expression,
        )

    def _read_visemes(self, clip: Clip) -> tuple[str, ...] | None:
        if not self.corpus.has_truth:
            return None
        with np.load(clip.truth) as truth:
            return tuple(str(name) for name in truth["viseme_names"][truth["viseme"]])
