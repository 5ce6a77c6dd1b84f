"""The command `corpus`: what a folder of recordings holds, what is wrong, what can be made."""

from __future__ import annotations

import csv
import textwrap
import warnings
from collections import Counter
from pathlib import Path

from spfem.corpus.clips import Corpus, damage_rows
from spfem.corpus.folder import name_in, walk_folder
from spfem.corpus.protocol import SETTINGS, edit_protocol, find_protocol
from spfem.corpus.survey import Survey, survey_folder
from spfem.errors import CorpusError
from spfem.files import writing
from spfem.settings import EMOTIONS

Rows = list[dict[str, object]]
SHOWN = 20  # problems on the screen; `out` has them all
WIDTH = 100
NARROWEST = 30  # columns that text is folded into
LAYOUTS = {
    "mead": "MEAD",
    "ravdess": "RAVDESS",
    "asccl": "processed layout of ASCCL",
    "table": "table clips.csv",
    "list": "list corpus.json",
}


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
    survey = survey_folder(walk_folder(folder))
    tables: dict[str, Rows] = {
        "clips": [
            {
                "clip": one.clip.key,
                "role": survey.roles[one.clip.actor],
                "sentence": one.clip.sentence,
                "fps": round(float(one.fps), 3),
                "seconds": round(one.seconds, 3),
                "video": name_in(survey.root, one.clip.video),
                "audio": name_in(survey.root, one.clip.audio),
            }
            for one in survey.clips
        ],
        "actors": actor_rows(survey),
        "problems": damage_rows(survey.damaged),
        "tables": table_rows(survey) if survey.clips else [],
    }
    hours = sum(one.seconds for one in survey.clips) / 3600
    sentences = len({one.clip.sentence for one in survey.clips})
    rate = f"{float(survey.fps):.2f} frames a second" if survey.fps else "no frame rate"
    print(f"{survey.root}: {LAYOUTS[survey.kind]}")
    print(f"{survey.files} files seen, {survey.ignored} hidden or unfinished ones passed over")
    print(
        f"{len(survey.clips)} clips of {len(survey.roles)} actors, {sentences} sentences, "
        f"{hours:.2f} hours, {rate}"
    )
    _print_rows("actors and clips", tables["actors"])
    _print_rows("not used", [{"why": why, "files": n} for why, n in sorted(survey.unused.items())])
    _print_problems(survey, tables["problems"])
    _print_rows("what can be made", tables["tables"])
    for name, rows in tables.items() if out is not None else ():
        path = Path(out or "", f"{name}.csv")
        with writing(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]) if rows else ["nothing"])
            table.writeheader()
            table.writerows(rows)
        print(f"wrote {path}")
    if not survey.clips:
        raise CorpusError(f"{folder}: no clip can be used, see above")
    print(f"\nnext: bash run_all.sh --corpus {folder}")


def count_pairs(survey: Survey) -> Counter[str]:
    """Pairs of the same words in neutral and in an emotion, by actor."""
    found = [one.clip for one in survey.clips]
    neutral = {(clip.actor, clip.sentence) for clip in found if clip.emotion == EMOTIONS[0]}
    emotional = [clip for clip in found if clip.emotion != EMOTIONS[0]]
    return Counter(clip.actor for clip in emotional if (clip.actor, clip.sentence) in neutral)


def actor_rows(survey: Survey) -> Rows:
    """One row an actor: role, clips of each emotion, sentences, pairs and minutes."""
    pairs = count_pairs(survey)
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


def table_rows(survey: Survey) -> Rows:
    """Which groups of tables can be made of the recordings, and what the others lack."""
    pairs: Counter[str] = Counter()
    for actor, count in count_pairs(survey).items():
        pairs[survey.roles[actor]] += count
    corpus = survey.corpus()
    targets = sorted(actor for actor, role in survey.roles.items() if role == "target")
    protocol = find_protocol(corpus.name)
    theirs = [actor for actor in targets if protocol and actor in protocol.target_actors]
    answers: dict[str, tuple[object, str]] = {}
    for name, role in (
        ("metrics: learning curves", "train"),
        ("metrics: test on an unseen actor", "held_out"),
        ("supervision by pairs (SCMCL, LSCMC)", "target"),
    ):
        lack = f"no actor with the role {role} says one sentence in neutral and in another emotion"
        has = f"{pairs[role]} pairs of actors with the role {role}"
        answers[name] = pairs[role], has if pairs[role] else lack
    for setting in SETTINGS:
        answers[f"main results, {setting}-ID"] = _main_results(corpus, setting, targets)
    answers["main results beside the papers' tables"] = (
        theirs,
        f"{len(theirs)} target actors of the papers on {corpus.name}: {', '.join(theirs)}"
        if theirs
        else "none of the papers' target actors is there",
    )
    answers["checks against the exact truth"] = (
        corpus.has_truth,
        f"{'holds' if corpus.has_truth else 'need'} the exact truth of every frame, which only "
        "the embedded corpus has",
    )
    return [
        {"tables": name, "possible": "yes" if possible else "no", "why": why}
        for name, (possible, why) in answers.items()
    ]


def _main_results(corpus: Corpus, setting: str, targets: list[str]) -> tuple[bool, str]:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            edits = [edit for edit in edit_protocol(corpus) if edit.setting == setting]
    except CorpusError as error:
        return False, str(error)
    notes = "; ".join(str(one.message) for one in caught) if setting == "cross" else ""
    if not edits:
        return False, notes or f"needs two target actors, there is {', '.join(targets) or 'none'}"
    actors = len({edit.actor for edit in edits})
    return True, f"{len(edits)} edits of {actors} target actors" + (f" ({notes})" if notes else "")


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
        else:
            text = line[-1]
            print(textwrap.fill(text, WIDTH, initial_indent=f"{start}  ", subsequent_indent=indent))
