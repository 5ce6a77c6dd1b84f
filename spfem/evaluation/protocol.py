"""Which clips are edited, towards which emotion, after which reference: held as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS

SETTINGS = ("intra", "cross")


@dataclass(frozen=True)
class Edit:
    """One edit that every method makes.

    Attributes:
        setting: `intra` (the reference shows the source's actor) or `cross` (another actor).
        source: key of the neutral clip that is edited.
        reference: key of the clip whose emotion is taken over.
        emotion: the reference's emotion, which the result should show.
        actor: of the source.
    """

    setting: str
    source: str
    reference: str
    emotion: str
    actor: str

    @property
    def name(self) -> str:
        """Name for files, for example `cross-A09-neutral-004-as-happy`."""
        actor, emotion, _, number = self.source.split("/")
        return f"{self.setting}-{actor}-{emotion}-{number}-as-{self.emotion}"


def held_back_clips(corpus: Corpus, actor: str) -> tuple[Clip, ...]:
    """Clips of an actor that no network may learn from.

    Those with sentences that the actor says in one emotion only (MEAD's later numbers). Where
    every sentence is said in several emotions (RAVDESS), the clips of the last sentence.

    Raises:
        CorpusError: if nothing would be left to learn from, or nothing neutral is held back.
    """
    clips = corpus.select(actor=actor)
    said: dict[str, set[str]] = {}
    for clip in clips:
        said.setdefault(clip.sentence, set()).add(clip.emotion)
    own = {sentence for sentence, emotions in said.items() if len(emotions) == 1}
    held_back = tuple(clip for clip in clips if clip.sentence in own)
    if not any(clip.emotion == "neutral" for clip in held_back):
        last = max(said, default="")
        held_back = tuple(clip for clip in clips if clip.sentence == last)
    if not any(clip.emotion == "neutral" for clip in held_back) or len(held_back) == len(clips):
        raise CorpusError(
            f"actor {actor} of {corpus.root} has too few clips to hold back neutral ones for the "
            "test; record at least two neutral sentences"
        )
    return held_back


def learning_clips(corpus: Corpus, actor: str) -> tuple[Clip, ...]:
    """Clips of an actor that networks may learn from: all but `held_back_clips`."""
    held_back = set(held_back_clips(corpus, actor))
    return tuple(clip for clip in corpus.select(actor=actor) if clip not in held_back)


def cross_references(actors: tuple[str, ...]) -> Mapping[str, str]:
    """Actor -> actor whose clips are its references: the next one, the last takes the first."""
    return {actor: actors[(index + 1) % len(actors)] for index, actor in enumerate(actors)}


def _reference(corpus: Corpus, actor: str, emotion: str, index: int, source: Clip) -> Clip:
    held_back = set(held_back_clips(corpus, actor))
    clips = [clip for clip in corpus.select(actor=actor, emotion=emotion) if clip != source]
    # Held-back clips first; a reference never says what the source says where that is avoidable.
    clips.sort(key=lambda clip: (clip.sentence == source.sentence, clip not in held_back))
    if not clips:
        raise CorpusError(
            f"actor {actor} of {corpus.root} has no {emotion} clip to take as a reference"
        )
    equals = [
        clip
        for clip in clips
        if (clip.sentence == source.sentence) == (clips[0].sentence == source.sentence)
        and (clip in held_back) == (clips[0] in held_back)
    ]
    return equals[index % len(equals)]


def edit_protocol(corpus: Corpus, *, sources_per_actor: int = 1) -> tuple[Edit, ...]:
    """List every edit of the main results, in a fixed order.

    Source: a held-back neutral clip of each target actor. Reference: a clip of the wanted emotion
    by the same actor (`intra`) or by the next target actor in a ring (`cross`; left out where
    there is only one). Source: the released test lists of the papers' group; which clips are
    paired is published nowhere, so the choice here is ours.

    Args:
        corpus: with actors of the role `target`.
        sources_per_actor: neutral clips edited per target actor, at most as many as held back.

    Raises:
        CorpusError: if there is no target actor, or clips are missing.
    """
    actors = tuple(sorted(actor for actor, role in corpus.roles.items() if role == "target"))
    if not actors:
        raise CorpusError(f"{corpus.root} has no actor with the role target to edit")
    others = cross_references(actors)
    edits = []
    for setting in SETTINGS if len(actors) > 1 else SETTINGS[:1]:
        for actor in actors:
            neutral = [clip for clip in held_back_clips(corpus, actor) if clip.emotion == "neutral"]
            for index, source in enumerate(neutral[:sources_per_actor]):
                for emotion in EMOTIONS:
                    speaker = actor if setting == "intra" else others[actor]
                    reference = _reference(corpus, speaker, emotion, index, source)
                    edits.append(Edit(setting, source.key, reference.key, emotion, actor))
    return tuple(edits)
