"""The protocol: who learns, who is edited, which clips are held back, which edits are made.

What the papers used is read from `data/protocol/<corpus>.json`; elsewhere roles are shared out.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import CorpusError, InputError
from spfem.files import project_folder
from spfem.settings import EMOTIONS

FOLDER = Path("data", "protocol")  # below the checkout
PUBLISHED = ("mead", "ravdess")  # corpora with a protocol of the papers
SETTINGS = ("intra", "cross")
MOST_TARGETS = 6  # as many as the papers edit


@dataclass(frozen=True)
class PublishedProtocol:
    """The papers' protocol on one corpus; the file has the evidence and source of each entry."""

    metric_actors: tuple[str, ...]  # the metrics learn from them, or are tested on them
    held_out_actors: tuple[str, ...]  # those of them that test the metrics
    target_actors: tuple[str, ...]  # are edited
    # target actor -> actor whose clips are its cross-ID references; empty where no map is published
    cross_references: Mapping[str, str]
    # name or code on disk -> one of `spfem.settings.EMOTIONS`; others are not used
    emotions: Mapping[str, str]
    levels: Mapping[str, int]  # emotion -> the intensity that is used
    shared_sentences: tuple[str, ...]  # numbers of the same words in every emotion
    # emotion -> numbers of those words for actors who have them
    shared_sentences_elsewhere: Mapping[str, tuple[str, ...]]
    # clip numbers that no network may learn from; empty where none are known
    test_numbers: tuple[str, ...]

    def role(self, actor: str) -> str | None:
        """`train`, `held_out` or `target`; None for actors that the papers did not use."""
        if actor in self.target_actors:
            return "target"
        if actor in self.held_out_actors:
            return "held_out"
        return "train" if actor in self.metric_actors else None

    def sentence(self, emotion: str, number: str, numbers: Iterable[str] = ()) -> str:
        """Key of the words of a clip: equal keys are the same words.

        Args:
            emotion: one of `spfem.settings.EMOTIONS`.
            number: of the clip (of the statement in RAVDESS).
            numbers: those that the actor has in this emotion; decide whether the shared sentences
                lie elsewhere.
        """
        shared = self.shared_sentences
        elsewhere = self.shared_sentences_elsewhere.get(emotion, ())
        if elsewhere and elsewhere[-1] in set(numbers):
            shared = elsewhere
        if number in shared:
            return f"shared-{self.shared_sentences[shared.index(number)]}"
        return f"{emotion}-{number}"


def load_protocol(corpus: str, folder: Path | None = None) -> PublishedProtocol:
    """Read the protocol of a corpus.

    Args:
        corpus: one of `PUBLISHED`.
        folder: of the files; default: `data/protocol` of the checkout.

    Raises:
        InputError: if there is no such file, or it is damaged.
    """
    path = (folder or project_folder() / FOLDER) / f"{corpus}.json"

    def held(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: held(entry) for key, entry in value.items()}
        return tuple(value) if isinstance(value, list) else value

    try:
        facts = json.loads(path.read_text(encoding="utf-8"))["facts"]
        names = [field.name for field in fields(PublishedProtocol)]
        return PublishedProtocol(**{name: held(facts[name]["value"]) for name in names})
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); a checkout of spfem has it: run there"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({type(error).__name__}: {error}); restore it from the checkout of "
            "spfem"
        ) from None


@cache
def find_protocol(corpus: str) -> PublishedProtocol | None:
    """The protocol of a corpus, or None where none is published (the embedded one, own clips)."""
    return load_protocol(corpus) if corpus in PUBLISHED else None


def share_out(actors: Iterable[str], editable: Collection[str] = ()) -> dict[str, str]:
    """Roles of actors of whom nothing is known.

    One actor is a target; of two, one is to learn from; from three on, one tests the metrics
    (`held_out`); from four on, two are targets, and later a third of all, at most six. Targets
    are the last in sorted order of those who are `editable`, as far as there are any.
    """
    names = sorted(set(actors), key=lambda actor: (actor in editable, actor))
    few = 2 if len(names) > 3 else 1
    targets = min(MOST_TARGETS, max(few, len(names) // 3), len(editable) or len(names))
    roles = dict.fromkeys(names, "train")
    roles |= dict.fromkeys(names[-targets:], "target")
    if len(names) > 2:
        roles[names[-targets - 1]] = "held_out"
    return roles


def protocol_roles(name: str, actors: Iterable[str]) -> dict[str, str]:
    """The papers' roles, without actors whom they did not use.

    Empty unless the corpus `name` has a protocol, and an actor to learn from and a target are
    there. Without the papers' held-out actor, the last one to learn from takes that role.
    """
    protocol = find_protocol(name)
    known = {actor: protocol.role(actor) for actor in sorted(actors)} if protocol else {}
    roles = {actor: role for actor, role in known.items() if role}
    learning = [actor for actor, role in roles.items() if role == "train"]
    if not learning or "target" not in roles.values():
        return {}
    if "held_out" not in roles.values() and len(learning) > 1:
        roles[learning[-1]] = "held_out"
    return roles


def roles_of(
    name: str, stated: Mapping[str, str | None], editable: Collection[str]
) -> dict[str, str]:
    """Role of each actor; those without one are not used.

    The papers' roles where these can be had; else the corpus's own, and the rule of `share_out`
    for actors without one.

    Args:
        name: of the corpus.
        stated: every actor -> role that the corpus itself gives, or None.
        editable: actors with enough clips to be a target.
    """
    own = {actor: role for actor, role in stated.items() if role}
    return protocol_roles(name, stated) or share_out(stated, editable) | own


@dataclass(frozen=True)
class Edit:
    """One edit that every method makes."""

    setting: str  # `intra` (the reference shows the source's actor) or `cross` (another actor)
    source: str  # key of the neutral clip that is edited
    reference: str  # key of the clip whose emotion is taken over
    emotion: str  # the reference's emotion, which the result should show
    actor: str  # of the source

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


def _cross_references(corpus: Corpus, actors: tuple[str, ...]) -> Mapping[str, str]:
    """The published map, less actors whose reference is not on disk; a ring if none is published.

    A missing reference is not replaced: the result would carry the name of the papers' setting
    without being it.
    """
    published = find_protocol(corpus.name)
    if not published or not published.cross_references:
        return dict(zip(actors, (*actors[1:], actors[0]), strict=True)) if len(actors) > 1 else {}
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
    if not clips:
        return None

    def rank(clip: Clip) -> tuple[bool, bool]:
        # Held-back clips first; a reference never says what the source says where avoidable.
        return clip.sentence == source.sentence, clip not in held_back

    clips.sort(key=rank)
    equals = [clip for clip in clips if rank(clip) == rank(clips[0])]
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


def spread_actors(actors: Iterable[str], count: int) -> tuple[str, ...]:
    """At most `count` actors, spread over their sorted order so that both sexes are among them."""
    names = sorted(set(actors))
    places = np.linspace(0, len(names) - 1, min(count, len(names)))
    return tuple(names[int(place)] for place in places)


def share_edits(edits: Sequence[Edit], share: int, turn: int) -> tuple[Edit, ...]:
    """Every `share`-th edit, other ones each turn; `share` turns in a row give each edit once.

    Within a turn, too, settings, sources and emotions come round as evenly as they can: an emotion
    falls to every `share`-th source of a setting, the next emotion to the sources beside these.

    Raises:
        InputError: if the share is below 1.
    """
    if share < 1:
        raise InputError(f"a share of every {share} edits is none; use 1 for all, or more")
    rows = {row: n for n, row in enumerate(sorted({(e.setting, e.source) for e in edits}))}
    columns = {emotion: n for n, emotion in enumerate(EMOTIONS)}
    return tuple(
        edit
        for edit in edits
        if (rows[edit.setting, edit.source] + columns[edit.emotion] + turn) % share == 0
    )
