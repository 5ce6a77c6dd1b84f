"""What differs between two states of one results table."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from spfem.drift.tolerances import INTERVAL, Rule, is_ignored, tolerance

Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Move:
    """One cell that moved beyond its tolerance.

    `allowed` is None where no tolerance applies: a word changed, or a number came or went.
    """

    row: str
    column: str
    committed: Any
    fresh: Any
    allowed: float | None = None


@dataclass
class Difference:
    """What moved in a table, and what is there on one side only."""

    moves: list[Move] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    @property
    def drifted(self) -> bool:
        """Whether a result changed or was lost; additions are no drift."""
        return bool(self.moves or self.missing)


def compare_tables(committed: pd.DataFrame, fresh: pd.DataFrame, rule: Rule) -> Difference:
    """Compare two states of a table, row by row.

    Rows belong together when all their naming words agree (and, where those are not unique, when
    they come at the same place among their equals).
    """
    found = Difference()
    for name in committed.columns.difference(fresh.columns, sort=False):
        if not is_ignored(str(name), rule):
            found.missing.append(f"column {name}")
    found.new += [f"column {n}" for n in fresh.columns.difference(committed.columns, sort=False)]
    shared = [str(name) for name in committed.columns if name in fresh.columns]
    keys = [name for name in shared if _names_a_row(committed, fresh, name, rule)]
    before, after = _by_key(committed, keys), _by_key(fresh, keys)
    found.missing += [_words(key) for key in before if key not in after]
    found.new += [_words(key) for key in after if key not in before]
    if rule.rows_only:
        return found
    values = [n for n in shared if n not in keys and not is_ignored(n, rule)]
    for key, old in before.items():
        if key in after:
            moved = (_compare(_words(key), name, old, after[key], rule) for name in values)
            found.moves += [move for move in moved if move is not None]
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
    row: str, column: str, old: Mapping[Hashable, Any], new: Mapping[Hashable, Any], rule: Rule
) -> Move | None:
    before, after = old[column], new[column]
    if pd.isna(before) and pd.isna(after):
        return None
    if column in rule.results or pd.isna(before) or pd.isna(after):
        return None if str(before) == str(after) else Move(row, column, before, after)
    low, high = (old.get(name, float("nan")) for name in INTERVAL)
    allowed = tolerance(column, float(before), float(high - low) / 2, rule)
    if abs(float(after) - float(before)) <= allowed:
        return None
    return Move(row, column, before, after, allowed)
