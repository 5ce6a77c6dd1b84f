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
    """How one table is compared.

    Attributes:
        relative: share of the committed number that a column without an interval may move by.
        in_interval: columns that may move by half the width of the row's interval.
        ignored: columns that are not compared.
        results: columns of words that are results, compared letter by letter; the other columns of
            words name the row.
        rows_only: whether only the presence of rows is compared.
    """

    relative: float = 0.05
    in_interval: tuple[str, ...] = ("value", "difference", "ratio", "recall_at_1", "share")
    ignored: tuple[str, ...] = ()
    results: tuple[str, ...] = ("verdict", "clear")
    rows_only: bool = False


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

    Args:
        results: `figures/<corpus>-<scale>`.

    Raises:
        InputError: if a table is damaged.
    """
    committed = read_committed_tables(results)
    if not committed:
        return "no results of this corpus and scale are committed to compare with"
    moved = moved_tables(committed, read_tables(results))
    if not moved:
        return f"agrees with the committed results ({len(committed)} tables, within tolerance)"
    lines = [f"{len(moved)} of {len(committed)} tables moved from the committed results:"]
    for name, moves in moved.items():
        more = len(moves) - MOVES_SHOWN
        shown = "; ".join(moves[:MOVES_SHOWN]) + f"; and {more} more" * (more > 0)
        lines.append(f"    {name}: {shown}")
    return "\n".join(lines)


def moved_tables(committed: Tables, fresh: Tables) -> dict[str, list[str]]:
    """What moved, by table; what is new is no move."""
    found = {}
    for name, table in committed.items():
        moves = ["the fresh run made no such table"]
        if name in fresh:
            moves = compare_tables(table, fresh[name], RULES.get(name, Rule()))
        if moves:
            found[name] = moves
    return found


def compare_tables(committed: pd.DataFrame, fresh: pd.DataFrame, rule: Rule) -> list[str]:
    """Lines on what moved beyond its tolerance or went missing.

    Rows belong together when all their naming words agree (and, where those are not unique, when
    they come at the same place among their equals).
    """
    shared = [str(name) for name in committed.columns if name in fresh.columns]
    gone = [str(name) for name in committed.columns if name not in fresh.columns]
    found = [f"column {name} is missing" for name in gone if not is_ignored(name, rule)]
    keys = [name for name in shared if _names_a_row(committed, fresh, name, rule)]
    before, after = _by_key(committed, keys), _by_key(fresh, keys)
    found += [f"{_words(key)} is missing" for key in before if key not in after]
    if rule.rows_only:
        return found
    values = [name for name in shared if name not in keys and not is_ignored(name, rule)]
    for key, old in before.items():
        if key in after:
            moves = [_compare(name, old, after[key], rule) for name in values]
            found += [f"{_words(key)}: {move}" for move in moves if move]
    return found


def _names_a_row(committed: pd.DataFrame, fresh: pd.DataFrame, name: str, rule: Rule) -> bool:
    if name in rule.results or is_ignored(name, rule):
        return False
    return not all(pd.api.types.is_numeric_dtype(table[name]) for table in (committed, fresh))


def _by_key(table: pd.DataFrame, keys: list[str]) -> dict[Key, dict[Hashable, Any]]:
    rows: dict[Key, dict[Hashable, Any]] = {}
    times: dict[Key, int] = {}
    for row in table.to_dict("records"):
        key = tuple((name, str(row[name])) for name in keys)
        times[key] = times.get(key, 0) + 1
        rows[key if times[key] == 1 else (*key, ("row", str(times[key])))] = row
    return rows


def _words(key: Key) -> str:
    return ", ".join(value for _, value in key) or "the only row"


def _compare(
    column: str, old: Mapping[Hashable, Any], new: Mapping[Hashable, Any], rule: Rule
) -> str:
    """How a cell moved, empty if it did not; words and lost numbers have no tolerance."""
    before, after = old[column], new[column]
    if pd.isna(before) and pd.isna(after):
        return ""
    if column in rule.results or pd.isna(before) or pd.isna(after):
        return "" if str(before) == str(after) else f"{column} {before} -> {after}"
    low, high = (old.get(name, float("nan")) for name in INTERVAL)
    allowed = tolerance(column, float(before), float(high - low) / 2, rule)
    if abs(float(after) - float(before)) <= allowed:
        return ""
    return f"{column} {before:.5g} -> {after:.5g} (may move by {allowed:.2g})"


def is_ignored(column: str, rule: Rule) -> bool:
    """Whether a column is no result."""
    return column in rule.ignored or any(fnmatchcase(column, name) for name in NOT_RESULTS)


def tolerance(column: str, committed: float, half_width: float, rule: Rule) -> float:
    """How far one number may move.

    Args:
        column: its name.
        committed: the number before.
        half_width: of the row's committed interval; NaN where it has none.
        rule: of the table.
    """
    if column in COUNTS:
        return 0.0
    if half_width == half_width and column in (*rule.in_interval, *INTERVAL):
        return max(SMALLEST, half_width, 1e-3 * abs(committed))
    return max(SMALLEST, rule.relative * abs(committed))


def read_tables(results: Path) -> Tables:
    """The tables of `figures/<corpus>-<scale>` by name.

    Raises:
        InputError: if one cannot be read.
    """
    paths = sorted((results / "tables").glob("*.csv"))
    return {path.stem: _read(path.read_bytes(), str(path)) for path in paths}


def read_committed_tables(results: Path) -> Tables:
    """The same, of the last commit; empty outside a checkout, or if the commit holds none."""
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
