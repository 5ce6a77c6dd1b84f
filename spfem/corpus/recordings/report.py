"""What a folder of recordings holds, what is wrong with it, what can be made of it, in print."""

from __future__ import annotations

import csv
import textwrap
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spfem.artifacts import writing
from spfem.corpus.clips import Corpus
from spfem.corpus.damage import damage_rows
from spfem.corpus.protocol import edit_protocol
from spfem.corpus.published_protocol import find_protocol
from spfem.corpus.recordings.survey import Survey, survey_folder
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS

Rows = list[dict[str, object]]
SHOWN = 20  # problems on the screen; `out` has them all
WIDTH = 100
NARROWEST = 30  # columns that text is folded into


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


def report_folder(folder: Path, out: Path | None = None) -> None:
    """Print what a folder of recordings holds; nothing in it is changed.

    Args:
        folder: of the recordings.
        out: also write clips.csv, actors.csv, problems.csv and tables.csv into this folder.

    Raises:
        CorpusError: if the layout of the folder is not known, or, after the report, no clip can
            be used; or if `out` lies in the recordings.
    """
    if out is not None and out.resolve().is_relative_to(folder.resolve()):
        raise CorpusError(
            f"{out} (--out) lies in the recordings, which stay untouched; choose another"
        )
    survey = survey_folder(folder)
    tables: dict[str, Rows] = {
        "clips": clip_rows(survey),
        "actors": actor_rows(survey),
        "problems": problem_rows(survey),
        "tables": [],
    }
    _print_head(survey)
    _print_rows("actors and clips", tables["actors"])
    if survey.clips:
        for product in list_products(survey):
            answer = "yes" if product.possible else "no"
            tables["tables"].append(
                {"tables": product.name, "possible": answer, "why": product.why}
            )
    if survey.unused:
        _print_rows(
            "not used", [{"why": why, "files": n} for why, n in sorted(survey.unused.items())]
        )
    _print_problems(survey, tables["problems"])
    _print_rows("what can be made", tables["tables"])
    if out is not None:
        for name, rows in tables.items():
            print(f"wrote {_write(out / f'{name}.csv', rows)}")
    if not survey.clips:
        raise CorpusError(f"{folder}: no clip can be used, see above")
    print(f"\nnext: bash run_all.sh --corpus {folder}")


def _print_head(survey: Survey) -> None:
    hours = sum(one.seconds for one in survey.clips) / 3600
    rate = f"{float(survey.fps):.2f} frames a second" if survey.fps else "no frame rate"
    layouts = {
        "mead": "MEAD",
        "ravdess": "RAVDESS",
        "asccl": "processed layout of ASCCL",
        "table": "table clips.csv",
        "list": "list corpus.json",
    }
    print(f"{survey.root}: {layouts[survey.kind]}")
    print(f"{survey.files} files seen, {survey.ignored} hidden or unfinished ones passed over")
    print(
        f"{len(survey.clips)} clips of {len(survey.roles)} actors, "
        f"{len({one.clip.sentence for one in survey.clips})} sentences, {hours:.2f} hours, {rate}"
    )


def _print_problems(survey: Survey, rows: Rows) -> None:
    if not rows:
        print("\nno file is missing or damaged")
        return
    out = sum(not one.used for one in survey.damaged)
    counts = Counter(one.reason for one in survey.damaged)
    _print_rows(
        f"problems: {out} left out, {len(rows) - out} used all the same",
        [{"reason": reason, "number": n} for reason, n in counts.most_common()],
    )
    print()
    for row in rows[:SHOWN]:
        text = f"{row['path']}: {row['reason']}: {row['details']}"
        print(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      "))
    if len(rows) > SHOWN:
        print(f"  and {len(rows) - SHOWN} more; --out OUT writes them all")


def _print_rows(title: str, rows: Rows) -> None:
    """Print a table with columns as wide as needed; the last one is folded."""
    if not rows:
        return
    print(f"\n{title}")
    names = list(rows[0])
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(names) - 1)]
    for line in lines:
        start = "".join(f"  {text:{width}}" for text, width in zip(line[:-1], widths, strict=True))
        indent = " " * (len(start) + 2)
        if WIDTH - len(indent) < NARROWEST:
            print(f"{start}  {line[-1]}")
            continue
        print(textwrap.fill(line[-1], WIDTH, initial_indent=f"{start}  ", subsequent_indent=indent))


def _write(path: Path, rows: Rows) -> Path:
    with writing(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]) if rows else ["nothing"])
        table.writeheader()
        table.writerows(rows)
    return path
