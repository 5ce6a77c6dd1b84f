"""The command `python -m spfem user-study`; light, so that `--help` loads no pandas."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from spfem.errors import SettingsError
from spfem.settings.study import StudySettings


def add_study_parser(commands: Any) -> None:
    """Add `user-study make` and `user-study read` to the command line."""
    parser = commands.add_parser(
        "user-study",
        allow_abbrev=False,
        help="let people compare result videos: make the page, read the answers",
    )
    parts = parser.add_subparsers(dest="part", required=True)
    make = parts.add_parser("make", allow_abbrev=False, help="write the page and its key")
    make.add_argument(
        "--clips",
        nargs="+",
        required=True,
        metavar="[NAME=]DIR",
        help="a folder of videos for each method, and for `source` and `reference` if there are; "
        "or one folder that holds them, such as data/synthetic-demo",
    )
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    make.add_argument("--seed", type=int, default=0, help="of the blinded names (default: 0)")
    make.add_argument(
        "--trials", type=int, default=StudySettings.trials, help="comparisons a participant"
    )
    read = parts.add_parser("read", allow_abbrev=False, help="turn saved answers into tables")
    read.add_argument(
        "answers", nargs="+", type=Path, metavar="ANSWERS", help="saved files, or folders of them"
    )
    read.add_argument("--key", type=Path, required=True, help="key.json of the study")
    read.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the tables")


def run_study(arguments: argparse.Namespace) -> None:
    """Run `make` or `read`.

    Raises:
        SettingsError: if there is to be no comparison.
    """
    if arguments.part == "make":
        from spfem.user_study.make import make_study

        if arguments.trials < 1:
            raise SettingsError(f"--trials {arguments.trials}: one comparison is the least")
        settings = replace(StudySettings(), trials=arguments.trials)
        page, key = make_study(
            arguments.clips, arguments.out, settings=settings, seed=arguments.seed
        )
        print(f"wrote {page}: hand out its folder, and add who you are to its first screen")
        print(f"wrote {key}: keep it from participants; reading the answers needs it")
        return
    from spfem.user_study.read import read_study

    tables = read_study(arguments.answers, arguments.key, arguments.out)
    for row in tables["problems"].itertuples():
        print(f"left out {row.file}: {row.problem}")
    people = tables["participants"]
    print(f"{len(people)} participants, {int((~people.counted).sum())} left out for a failed check")
    print(tables["preferences"].round(3).to_string(index=False))
    print(tables["agreement"].round(3).to_string(index=False))
    print(f"wrote {', '.join(f'{name}.csv' for name in tables)} to {arguments.out}")
