"""Which clips are edited, towards which emotion, after which reference: held as data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.published_protocol import find_protocol
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

    Those whose numbers the papers test with, where these are known (MEAD). Else those with
    sentences that the actor says in one emotion only. Where every sentence is said in several
    emotions (RAVDESS), the clips of the last sentence.

    Raises:
        CorpusError: if nothing would be left to learn from, or nothing neutral is held back.
    """
    clips = corpus.select(actor=actor)
    published = find_protocol(corpus.name)
    if published and published.test_numbers:
        tested = tuple(clip for clip in clips if clip.number in published.test_numbers)
        if len(tested) < len(clips) and any(clip.emotion == "neutral" for clip in tested):
            return tested
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


def _cross_references(corpus: Corpus, actors: tuple[str, ...]) -> Mapping[str, str]:
    """The published map, less actors whose reference is not on disk; a ring if none is published.

    A missing reference is not replaced: the result would carry the name of the papers' setting
    without being it.
    """
    published = find_protocol(corpus.name)
    if not published or not published.cross_references:
        return cross_references(actors) if len(actors) > 1 else {}
    present = {}
    for actor in actors:
        reference = published.cross_references.get(actor)
        if reference and corpus.select(actor=reference):
            present[actor] = reference
            continue
        why = (
            f"their reference for {actor} is {reference}, of whom {corpus.root} has no clips; add "
            "them to get these edits"
            if reference
            else f"they edit {', '.join(published.target_actors)} only"
        )
        warnings.warn(
            f"{actor} gets no cross-ID edits as in the papers: {why}", UserWarning, stacklevel=3
        )
    return present


def _reference(corpus: Corpus, actor: str, emotion: str, index: int, source: Clip) -> Clip | None:
    """A clip of the actor that shows the emotion; None if there is none."""
    held_back = set(held_back_clips(corpus, actor))
    clips = [clip for clip in corpus.select(actor=actor, emotion=emotion) if clip != source]
    # Held-back clips first; a reference never says what the source says where that is avoidable.
    clips.sort(key=lambda clip: (clip.sentence == source.sentence, clip not in held_back))
    if not clips:
        return None
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
    by the same actor (`intra`) or by another (`cross`): the one of the published map
    (`data/protocol`), or, where none is published, the next target actor in a ring. Cross edits
    are left out where there is one target actor only, and, with a warning, where the corpus lacks
    the actor of the map. Emotions that the reference's actor lacks are left out with a warning.
    Source: the released test lists of the papers' group; which clips are
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
    others = _cross_references(corpus, actors)
    edits, lacking = [], []
    for setting in SETTINGS:
        for actor in actors if setting == "intra" else tuple(others):
            neutral = [clip for clip in held_back_clips(corpus, actor) if clip.emotion == "neutral"]
            for index, source in enumerate(neutral[:sources_per_actor]):
                for emotion in EMOTIONS:
                    speaker = actor if setting == "intra" else others[actor]
                    reference = _reference(corpus, speaker, emotion, index, source)
                    if reference is None:
                        lacking.append(f"{speaker} {emotion}")
                        continue
                    edits.append(Edit(setting, source.key, reference.key, emotion, actor))
    if lacking:
        warnings.warn(
            f"{len(lacking)} edits are left out, as there is no clip to take as a reference: "
            f"{', '.join(sorted(set(lacking)))}",
            UserWarning,
            stacklevel=2,
        )
    if not edits:
        raise CorpusError(f"{corpus.root} has no clip to take as a reference for any edit")
    return tuple(edits)
