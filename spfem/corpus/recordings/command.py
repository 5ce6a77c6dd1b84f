"""The command `python -m spfem corpus`; light, so that `--help` loads no torch."""

from __future__ import annotations

import argparse
import csv
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spfem.artifacts import writing
from spfem.errors import CorpusError

if TYPE_CHECKING:
    from spfem.corpus.recordings.report import Rows
    from spfem.corpus.recordings.survey import Survey

DESCRIPTION = """\
Say what a folder of recordings holds: actors, emotions, sentences, hours, missing and damaged
files, what can be paired and which tables can be made. Nothing in the folder is changed.

A folder may hold MEAD or RAVDESS as they are released, the processed layout of ASCCL, or any
clips together with a table clips.csv (clip, actor, emotion, sentence, path; optional: level,
audio, role). Then bash run_all.sh --corpus DIR runs every notebook on it.

Exit status: 0 if some clip can be used, else 1.
"""
SHOWN = 20  # problems on the screen; --out writes them all
WIDTH = 100
NARROWEST = 30  # columns that text is folded into


def add_corpus_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    parser = commands.add_parser(
        "corpus",
        allow_abbrev=False,
        help="say what a folder of recordings holds, and what can be made of it",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the recordings")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="OUT",
        help="also write clips.csv, actors.csv, problems.csv and tables.csv into this folder",
    )


def run_corpus(arguments: argparse.Namespace) -> None:
    """Print the report, and write it where `--out` says.

    Raises:
        CorpusError: if the layout of the folder is not known, or, after the report, no clip can
            be used; or if `--out` lies in the recordings.
    """
    from spfem.corpus.recordings.report import actor_rows, clip_rows, list_products, problem_rows
    from spfem.corpus.recordings.survey import survey_folder

    folder, out = arguments.folder, arguments.out
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
