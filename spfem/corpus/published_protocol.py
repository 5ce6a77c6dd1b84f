"""Which actors, clips and references the papers used: read from `data/protocol/<corpus>.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from spfem.errors import InputError
from spfem.project import project_folder
from spfem.settings import EMOTIONS

FOLDER = Path("data", "protocol")  # below the checkout
EVIDENCE = (
    "read from the released code",
    "verified numerically",
    "inferred",
    "public knowledge",
    "ours",
)


@dataclass(frozen=True)
class Fact:
    """One entry of the file.

    Attributes:
        value: plain JSON value.
        evidence: one of `EVIDENCE`; `ours` where nothing is published and a choice had to be made.
        source: where it was found, or why it was chosen.
    """

    value: Any
    evidence: str
    source: str


@dataclass(frozen=True)
class PublishedProtocol:
    """The papers' protocol on one corpus.

    Attributes:
        corpus: `mead` or `ravdess`.
        facts: every entry by name, with its evidence.
        metric_actors: the metrics learn from them, or are tested on them.
        held_out_actors: those of them that test the metrics.
        target_actors: are edited.
        cross_references: target actor -> actor whose clips are its cross-ID references; empty
            where no map is published.
        emotions: name or code on disk -> one of `spfem.settings.EMOTIONS`; others are not used.
        levels: emotion -> the intensity that is used.
        shared_sentences: numbers of the same words in every emotion.
        shared_sentences_elsewhere: emotion -> numbers of those words for actors who have them.
        fps: frames per second of the recordings.
        sample_rate: of the audio, hertz.
        test_numbers: clip numbers that no network may learn from; empty where none are known.
        most_training_frames: frames an actor that networks learn from, at most.
    """

    corpus: str
    facts: Mapping[str, Fact]
    metric_actors: tuple[str, ...]
    held_out_actors: tuple[str, ...]
    target_actors: tuple[str, ...]
    cross_references: Mapping[str, str]
    emotions: Mapping[str, str]
    levels: Mapping[str, int]
    shared_sentences: tuple[str, ...]
    shared_sentences_elsewhere: Mapping[str, tuple[str, ...]]
    fps: Fraction
    sample_rate: int
    test_numbers: tuple[str, ...]
    most_training_frames: int

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


def protocol_names() -> tuple[str, ...]:
    """Corpora with a published protocol."""
    return ("mead", "ravdess")


def load_protocol(corpus: str, folder: Path | None = None) -> PublishedProtocol:
    """Read and check the protocol of a corpus.

    Args:
        corpus: one of `protocol_names`.
        folder: of the files; default: `data/protocol` of the checkout.

    Raises:
        InputError: if there is no such file, it is damaged, or it contradicts itself.
    """
    path = (folder or project_folder() / FOLDER) / f"{corpus}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        facts = {name: Fact(**entry) for name, entry in content["facts"].items()}
        values: dict[str, Any] = {name: fact.value for name, fact in facts.items()}
        for name in ("metric_actors", "held_out_actors", "target_actors", "test_numbers"):
            values[name] = tuple(values[name])
        values["shared_sentences"] = tuple(values["shared_sentences"])
        elsewhere = values["shared_sentences_elsewhere"]
        values["shared_sentences_elsewhere"] = {e: tuple(n) for e, n in elsewhere.items()}
        values["fps"] = Fraction(values["fps"])
        protocol = PublishedProtocol(corpus=content["corpus"], facts=facts, **values)
        trouble = _find_trouble(protocol, corpus)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); a checkout of spfem has it: run there"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        trouble = f"it is damaged ({type(error).__name__}: {error})"
    if trouble:
        raise InputError(f"{path}: {trouble}; restore it from the checkout of spfem")
    return protocol


@cache
def find_protocol(corpus: str) -> PublishedProtocol | None:
    """The protocol of a corpus, or None where none is published (the embedded one, own clips)."""
    return load_protocol(corpus) if corpus in protocol_names() else None


def _find_trouble(protocol: PublishedProtocol, corpus: str) -> str:
    """What contradicts itself, or an empty text."""
    metric, targets = set(protocol.metric_actors), set(protocol.target_actors)
    map_ends = {*protocol.cross_references, *protocol.cross_references.values()}
    emotions = [*protocol.emotions.values(), *protocol.levels, *protocol.shared_sentences_elsewhere]
    lists = [protocol.shared_sentences, *protocol.shared_sentences_elsewhere.values()]
    numbers = [*protocol.test_numbers, *(number for entry in lists for number in entry)]
    rules = {
        f"it is the protocol of {protocol.corpus!r}": protocol.corpus == corpus,
        "an actor is listed twice": len(metric) == len(protocol.metric_actors)
        and len(targets) == len(protocol.target_actors),
        "an actor is both of the metrics and a target": not metric & targets,
        "a held-out actor is none of the metrics": metric > set(protocol.held_out_actors),
        "cross_references name an actor who is no target": map_ends <= targets,
        "an actor is its own cross reference": all(
            a != b for a, b in protocol.cross_references.items()
        ),
        "an emotion is unknown or missing": set(emotions) == set(EMOTIONS) == set(protocol.levels)
        and set(protocol.emotions.values()) == set(EMOTIONS),
        "a level is not 1, 2 or 3": set(protocol.levels.values()) <= {1, 2, 3},
        "a clip number is no digits": all(re.fullmatch(r"\d{2,3}", n) for n in numbers),
        "shared sentences elsewhere are not as many": len({len(entry) for entry in lists}) == 1,
        "a rate or limit is not positive": protocol.fps > 0
        and protocol.sample_rate > 0
        and protocol.most_training_frames > 0,
    }
    for name, fact in protocol.facts.items():
        rules[f"{name} has no known evidence or no source"] = (
            fact.evidence in EVIDENCE and isinstance(fact.source, str) and bool(fact.source)
        )
    return next((complaint for complaint, kept in rules.items() if not kept), "")
