"""Whether the tables of a fresh run are still those of the last commit, within tolerances.

Trainings on other processors differ in the last digits, and those grow over the steps. A value
that comes with an interval may therefore move within half its width, which is smaller than what
another sample of clips or seeds would change; any other number by a few percent; counts and
settings not at all; times are not results.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from spfem.errors import InputError

SMALLEST = 1e-6  # absolute; below it are rounding errors
INTERVAL = ("ci_low", "ci_high")
COUNTS = (
    "seeds", "clips", "edits", "moments", "windows", "pairs", "frames", "n", "steps", "parameters",
)  # fmt: skip
NOT_RESULTS = (
    "*seconds*", "*memory*", "device", "threads", "commit", "*_per_second", "*_a_second", "why",
)  # fmt: skip
MOVES_SHOWN = 3  # of each table
Key = tuple[tuple[str, str], ...]
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Rule:
    """How one table is compared: which columns may move, and how far."""

    relative: float = 0.05  # share of the committed number, of a column without an interval
    # By half the width of the row's interval.
    in_interval: tuple[str, ...] = ("value", "difference", "ratio", "recall_at_1", "share")
    ignored: tuple[str, ...] = ()  # not compared
    results: tuple[str, ...] = ("verdict", "clear")  # words by letter; others name the row
    rows_only: bool = False  # only the presence of rows


RULES: Mapping[str, Rule] = {
    "timings": Rule(rows_only=True),
    "loss_weights": Rule(relative=0.0),
    # Shares of differences near zero say nothing, their sign even less.
    "method_differences": Rule(
        in_interval=("difference", "seed_low", "seed_high"),
        ignored=("relative_difference", "better"),
    ),
    "defects": Rule(in_interval=("difference", "released", "corrected")),
    "paper_check": Rule(in_interval=("ours", "ours_base", "difference")),
    # Rates of one machine beside properties of the fit.
    "face_checks": Rule(relative=0.1),
}
"""By the name of the table; any other has the default rule."""


def agreement_in_words(results: Path) -> str:
    """Whether a folder of results agrees with the last commit, or which tables moved, and how.

    Raises:
        InputError: if a table is damaged.
    """
    committed = read_committed_tables(results)
    if not committed:
        return "no results of this corpus and scale are committed to compare with"
    moved = {}
    for name, table in committed.items():
        path = results / "tables" / f"{name}.csv"
        moves = ["the fresh run made no such table"]
        if path.is_file():
            fresh = _read(path.read_bytes(), str(path))
            moves = compare_tables(table, fresh, RULES.get(name, Rule()))
        if moves:
            moved[name] = moves
    if not moved:
        return f"agrees with the committed results ({len(committed)} tables, within tolerance)"
    lines = [f"{len(moved)} of {len(committed)} tables moved from the committed results:"]
    for name, moves in moved.items():
        more = len(moves) - MOVES_SHOWN
        shown = "; ".join(moves[:MOVES_SHOWN]) + f"; and {more} more" * (more > 0)
        lines.append(f"    {name}: {shown}")
    return "\n".join(lines)


def compare_tables(committed: pd.DataFrame, fresh: pd.DataFrame, rule: Rule) -> list[str]:
    """Lines on what moved beyond its tolerance or went missing.

    Rows belong together when all their naming words agree (and, where those are not unique, when
    they come at the same place among their equals).
    """
    shared = [str(name) for name in committed.columns if name in fresh.columns]
    gone = [str(name) for name in committed.columns if name not in fresh.columns]
    found = [f"column {name} is missing" for name in gone if not _is_ignored(name, rule)]
    compared = [name for name in shared if not _is_ignored(name, rule)]
    words = [name for name in compared if not _is_number(committed, fresh, name)]
    keys = [name for name in words if name not in rule.results]
    before, after = _by_key(committed, keys), _by_key(fresh, keys)
    for key, old in before.items():
        name = ", ".join(value for _, value in key) or "the only row"
        if key not in after:
            found.append(f"{name} is missing")
        elif not rule.rows_only:
            columns = (column for column in compared if column not in keys)
            moves = (_compare(column, old, after[key], rule) for column in columns)
            found += [f"{name}: {move}" for move in moves if move]
    return found


def _is_number(committed: pd.DataFrame, fresh: pd.DataFrame, name: str) -> bool:
    return all(pd.api.types.is_numeric_dtype(table[name]) for table in (committed, fresh))


def _by_key(table: pd.DataFrame, keys: list[str]) -> dict[Key, dict[Hashable, Any]]:
    rows: dict[Key, dict[Hashable, Any]] = {}
    times: dict[Key, int] = {}
    for row in table.to_dict("records"):
        key = tuple((name, str(row[name])) for name in keys)
        times[key] = times.get(key, 0) + 1
        rows[key if times[key] == 1 else (*key, ("row", str(times[key])))] = row
    return rows


def _compare(
    column: str, old: Mapping[Hashable, Any], new: Mapping[Hashable, Any], rule: Rule
) -> str:
    """How a cell moved, empty if it did not; words and lost numbers have no tolerance."""
    before, after = old[column], new[column]
    if pd.isna(before) and pd.isna(after):
        return ""
    if column in rule.results or pd.isna(before) or pd.isna(after):
        return "" if str(before) == str(after) else f"{column} {before} -> {after}"
    old_number, number = float(before), float(after)
    low, high = (old.get(name, float("nan")) for name in INTERVAL)
    allowed = max(SMALLEST, rule.relative * abs(old_number))
    if column in COUNTS:
        allowed = 0.0
    elif high - low == high - low and column in (*rule.in_interval, *INTERVAL):
        allowed = max(SMALLEST, float(high - low) / 2, 1e-3 * abs(old_number))
    if abs(number - old_number) <= allowed:
        return ""
    return f"{column} {before:.5g} -> {after:.5g} (may move by {allowed:.2g})"


def _is_ignored(column: str, rule: Rule) -> bool:
    return column in rule.ignored or any(fnmatchcase(column, name) for name in NOT_RESULTS)


def read_committed_tables(results: Path) -> Tables:
    """Tables of a folder of results in the last commit by name; empty if it holds none.

    Raises:
        InputError: if one cannot be read.
    """
    listing = _git(results, "ls-tree", "--name-only", "-z", "HEAD", "./tables/")
    names = [name for name in listing.decode().split("\0") if name.endswith(".csv")]
    return {
        Path(name).stem: _read(_git(results, "show", f"HEAD:./{name}"), f"HEAD:{name}")
        for name in names
    }


def _git(folder: Path, *words: str) -> bytes:
    try:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return b""


def _read(content: bytes, name: str) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(content))
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{name} is no table: {error}") from error
