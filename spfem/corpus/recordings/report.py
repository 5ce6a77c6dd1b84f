"""Tables about a folder of recordings: what is there, what is wrong, what can be made of it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from spfem.corpus.clips import Corpus
from spfem.corpus.damage import damage_rows
from spfem.corpus.protocol import edit_protocol
from spfem.corpus.published_protocol import find_protocol
from spfem.corpus.recordings.survey import Survey
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Product:
    """A group of tables or figures.

    Attributes:
        name: of the group.
        possible: whether the recordings suffice for it.
        why: what it rests on, or what is missing.
    """

    name: str
    possible: bool
    why: str


def clip_rows(survey: Survey) -> Rows:
    """One row a clip that is used."""
    return [
        {
            "clip": one.clip.key,
            "role": survey.roles[one.clip.actor],
            "sentence": one.clip.sentence,
            "fps": round(float(one.fps), 3),
            "seconds": round(one.seconds, 3),
            "video": one.clip.video,
            "audio": one.clip.audio or one.clip.video,
        }
        for one in survey.clips
    ]


def actor_rows(survey: Survey) -> Rows:
    """One row an actor: role, clips of each emotion, sentences, pairs and minutes."""
    pairs = Counter(actor for actor, _ in count_pairs(survey).elements())
    rows: Rows = []
    for actor in sorted(survey.roles):
        own = [one for one in survey.clips if one.clip.actor == actor]
        emotions = Counter(one.clip.emotion for one in own)
        rows.append(
            {"actor": actor, "role": survey.roles[actor]}
            | {emotion: emotions[emotion] for emotion in EMOTIONS}
            | {
                "clips": len(own),
                "sentences": len({one.clip.sentence for one in own}),
                "pairs": pairs[actor],
                "minutes": round(sum(one.seconds for one in own) / 60, 2),
            }
        )
    return rows


def problem_rows(survey: Survey) -> Rows:
    """One row a problem: path, reason, details, and whether the clip is used all the same."""
    return damage_rows(survey.damaged)


def count_pairs(survey: Survey) -> Counter[tuple[str, str]]:
    """Pairs of the same words in neutral and in an emotion, by actor and emotion."""
    neutral = {
        (one.clip.actor, one.clip.sentence)
        for one in survey.clips
        if one.clip.emotion == EMOTIONS[0]
    }
    return Counter(
        (one.clip.actor, one.clip.emotion)
        for one in survey.clips
        if one.clip.emotion != EMOTIONS[0] and (one.clip.actor, one.clip.sentence) in neutral
    )


def list_products(survey: Survey) -> list[Product]:
    """Which tables can be made of the recordings, and what the others lack."""
    pairs: Counter[str] = Counter()
    for (actor, _), count in count_pairs(survey).items():
        pairs[survey.roles[actor]] += count
    targets = sorted(actor for actor, role in survey.roles.items() if role == "target")
    corpus = survey.corpus()
    protocol = find_protocol(corpus.name)
    theirs = [actor for actor in targets if protocol and actor in protocol.target_actors]
    truth = "the exact truth of every frame, which only the embedded corpus has"
    return [
        _by_pairs("metrics: learning curves", "train", pairs),
        _by_pairs("metrics: test on an unseen actor", "held_out", pairs),
        _by_pairs("supervision by pairs (SCMCL, LSCMC)", "target", pairs),
        _main_results(corpus, "intra", targets),
        _main_results(corpus, "cross", targets),
        Product(
            "main results beside the papers' tables",
            bool(theirs),
            f"{len(theirs)} target actors of the papers on {corpus.name}: {', '.join(theirs)}"
            if theirs
            else "none of the papers' target actors is there",
        ),
        Product(
            "checks against the exact truth",
            corpus.has_truth,
            f"{'holds' if corpus.has_truth else 'need'} {truth}",
        ),
    ]


def _by_pairs(name: str, role: str, pairs: Mapping[str, int]) -> Product:
    count = pairs.get(role, 0)
    if count:
        return Product(name, True, f"{count} pairs of actors with the role {role}")
    return Product(
        name,
        False,
        f"no actor with the role {role} says one sentence in neutral and in another emotion",
    )


def _main_results(corpus: Corpus, setting: str, targets: list[str]) -> Product:
    name = f"main results, {setting}-ID"
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            edits = [edit for edit in edit_protocol(corpus) if edit.setting == setting]
    except CorpusError as error:
        return Product(name, False, str(error))
    notes = "; ".join(str(one.message) for one in caught) if setting == "cross" else ""
    if not edits:
        lack = notes or f"needs two target actors, there is {', '.join(targets) or 'none'}"
        return Product(name, False, lack)
    actors = len({edit.actor for edit in edits})
    why = f"{len(edits)} edits of {actors} target actors" + (f" ({notes})" if notes else "")
    return Product(name, True, why)
