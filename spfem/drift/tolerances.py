"""How far a number of a results table may move before it counts as moved; all of it, once.

Trainings on other processors differ in the last digits, and those grow over the steps. A value
that comes with an interval may therefore move within half its width, which is smaller than what
another sample of clips or seeds would change; any other number by a few percent; counts and
settings not at all; times are not results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

SMALLEST = 1e-6  # absolute; below it are rounding errors
INTERVAL = ("ci_low", "ci_high")
COUNTS = (
    "seeds", "clips", "edits", "moments", "windows", "pairs", "frames", "n", "steps", "parameters",
)  # fmt: skip
NOT_RESULTS = (
    "*seconds*", "*memory*", "device", "threads", "commit", "*_per_second", "*_a_second", "why",
)  # fmt: skip


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


DEFAULT = Rule()
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


def rule_of(table: str) -> Rule:
    """The rule of a table by its name without folder and suffix."""
    return RULES.get(table, DEFAULT)


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
