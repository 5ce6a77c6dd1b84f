"""The command `python -m spfem check`; light, so that `--help` loads no pandas."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spfem.errors import DriftError, InputError
from spfem.project import project_folder
from spfem.scales import SCALES

if TYPE_CHECKING:
    from spfem.drift.compare import Difference, Move

LINES_A_TABLE = 12
DESCRIPTION = """\
Compare the tables of a fresh run with those of the last commit (or of a folder) and name what
moved. Tolerances are in spfem/drift/tolerances.py. Exit status: 0 if nothing moved, else 1.
"""


def add_check_parser(commands: Any) -> None:
    """Add `check` to the sub-parsers of the command line."""
    parser = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="compare the results of a fresh run with the committed ones",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--corpus", default="synthetic", help="default: synthetic")
    parser.add_argument("--scale", choices=SCALES, default="demo", help="default: demo")
    parser.add_argument(
        "--figures", type=Path, default=Path("figures"), metavar="DIR", help="default: figures"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="folder of results, such as figures/synthetic-full of another checkout (default: the "
        "last commit)",
    )


def run_check(arguments: argparse.Namespace) -> None:
    """Print what moved, table by table.

    Raises:
        InputError: if one side has no tables.
        DriftError: after the report, if something moved or is missing.
    """
    from spfem.drift.committed import read_committed_tables, read_tables
    from spfem.drift.compare import compare_tables
    from spfem.drift.tolerances import rule_of

    figures = project_folder() / arguments.figures
    results = figures / f"{arguments.corpus}-{arguments.scale}"
    if not results.is_dir():
        raise InputError(f"{results} is missing; run: bash run_all.sh --scale {arguments.scale}")
    fresh = read_tables(results)
    against = arguments.against
    committed = read_tables(against) if against else read_committed_tables(results)
    print(f"{results} against {against or 'the last commit'}")
    drifted = [name for name in committed if name not in fresh]
    for name, table in committed.items():
        if name in fresh:
            difference = compare_tables(table, fresh[name], rule_of(name))
            _print(name, len(table), difference)
            drifted += [name] * difference.drifted
        else:
            print(f"{name}: MISSING, the fresh run made no such table")
    for name in fresh.keys() - committed.keys():
        print(f"{name}: new table")
    if drifted:
        raise DriftError(f"results moved in {', '.join(drifted)}")
    print("nothing moved")


def _print(name: str, rows: int, difference: Difference) -> None:
    if not (difference.drifted or difference.new):
        print(f"{name}: unchanged within tolerance ({rows} rows)")
        return
    moved = len({move.row for move in difference.moves})
    print(
        f"{name}: {moved} of {rows} rows moved, {len(difference.missing)} missing, "
        f"{len(difference.new)} new"
    )
    lines = [f"  missing: {row}" for row in difference.missing]
    lines += [_line(move) for move in difference.moves]
    lines += [f"  new: {row}" for row in difference.new]
    print("\n".join(lines[:LINES_A_TABLE]))
    if len(lines) > LINES_A_TABLE:
        print(f"  ... and {len(lines) - LINES_A_TABLE} more")


def _line(move: Move) -> str:
    if move.allowed is None:
        return f"  {move.row}: {move.column} {move.committed} -> {move.fresh}"
    return (
        f"  {move.row}: {move.column} {move.committed:.5g} -> {move.fresh:.5g} "
        f"(may move by {move.allowed:.2g})"
    )
