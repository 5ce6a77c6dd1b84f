"""Whether the tables of a run agree with the committed ones, within what another machine changes.

Results that are committed lie in `figures/reference/<run>`. Sums in another order, by other threads
or another processor, change the last bit, and learning carries it into every weight. A cell agrees
if it lies where another sample would put it: in the committed interval of its row, or within
`RELATIVE` of the committed number where the row has none. An end of an interval may move by the
interval's width. Some cells fall outside all the same, so a table agrees as long as their share is
at most `USUAL_SHARE`, or `MARGIN` times what was measured: `figures/drift.csv` says for each table
how many cells other threads or another processor moved outside (`python -m benchmarks.drift`).
Counts, rows and columns must be the same; speeds and memory are no results. Of a difference with an
interval those two are compared, not what is made from them (`MADE_FROM_THEM`): a probability, or
whether zero is outside, says how sure the difference is, and jumps where its interval just moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from spfem.errors import InputError
from spfem.files import writing

REFERENCE = Path("figures", "reference")  # in the checkout
DETAILS_NAME = "moved.txt"
RELATIVE, SMALLEST = 0.05, 1e-6  # SMALLEST is absolute; below it are rounding errors
INTERVALS = (("ci_low", "ci_high"), ("low", "high"), ("seed_low", "seed_high"))
COUNTS = frozenset(
    ("seeds", "clips", "edits", "moments", "windows", "pairs", "frames", "n", "steps", "parameters",
     "comparisons", "claims")
)  # fmt: skip
NOT_RESULTS = (
    "*seconds*", "*memory*", "*_mib", "device", "threads", "commit", "*_per_second", "*_a_second",
    "why",
)  # fmt: skip
DIFFERENCE = {"difference", "ci_low", "ci_high"}
MADE_FROM_THEM = (
    "p", "probability*", "at_least_*", "detectable_*", "equivalent_within", "clear", "better",
    "told", "error", "freedom", "relative_difference",
)  # fmt: skip
SPEED = "a second"  # in the `unit` of a row
NOT_COMPARED = frozenset(  # seconds; and words made of the numbers of other tables
    ("timings", "stccl_comparison", "scmcl_comparison")
)
ON_REQUEST = "ablation_*"  # tables that only --ablations makes
USUAL_SHARE = 0.05  # of 95 % intervals
MARGIN = 2.0  # two or three machines do not show the most that others may do
DRIFT_NAME = "drift.csv"  # beside the folder of all references


def compare_with_reference(results: Path, reference: Path) -> str:
    """One line: a folder of results agrees with committed ones, or which tables moved.

    Each moved cell is listed in `moved.txt` of the results.

    Raises:
        InputError: if a table is damaged.
    """
    paths = sorted((reference / "tables").glob("*.csv"))
    details = results / DETAILS_NAME
    details.unlink(missing_ok=True)
    if not paths:
        return "no results of this corpus and scale are committed to compare with"
    if results.resolve() == reference.resolve():
        return "these are the committed results now; git diff shows what moved"
    shares = read_shares(reference.parents[1] / DRIFT_NAME)
    compared, moved, lines = 0, [], []
    for path in (path for path in paths if path.stem not in NOT_COMPARED):
        fresh = results / "tables" / path.name
        if not fresh.is_file() and fnmatchcase(path.stem, ON_REQUEST):
            continue
        compared += 1
        if not fresh.is_file():
            troubles = ["the run made no such table"]
        else:
            allowed = shares.get(path.stem, USUAL_SHARE)
            troubles = differences(read_table(path), read_table(fresh), allowed)
        if troubles:
            moved.append(path.stem)
            lines += [f"{path.stem}: {trouble}" for trouble in troubles]
    if not moved:
        return f"agrees with the committed results ({compared} tables, within tolerance)"
    with writing(details) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{len(moved)} of {compared} tables moved ({details}): {', '.join(moved)}"


def read_shares(path: Path) -> dict[str, float]:
    """Share of the cells of a table that may lie outside, by the tables that were measured."""
    if not path.is_file():
        return {}
    most = read_table(path).groupby("table").outside.max()
    return {str(name): max(USUAL_SHARE, MARGIN * share) for name, share in most.items()}


def differences(
    committed: pd.DataFrame, fresh: pd.DataFrame, allowed: float = USUAL_SHARE
) -> list[str]:
    """In words what makes a table disagree: other columns, rows, counts, or too many cells.

    The share `allowed` of the cells may lie outside.
    """
    lost = [c for c in committed.columns if c not in fresh and not _is_like(c, NOT_RESULTS)]
    if lost:
        return [f"without the columns {', '.join(lost)}"]
    if len(committed) != len(fresh):
        return [f"{len(fresh)} rows instead of {len(committed)}"]
    cells = compare_cells(committed, fresh)
    outside = cells[cells.times > 1]
    exact = outside[outside.column.isin(COUNTS)]
    if exact.empty and len(outside) <= allowed * len(cells):
        return []
    share = f"{len(outside)} of {len(cells)} cells are outside, {allowed:.0%} may be"
    told = [
        f"row {cell.row}: {cell.column} {cell.before} -> {cell.after}"
        for cell in outside.itertuples()
    ]
    return [share, *told]


def compare_cells(committed: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """Cells that can be compared: `row, column, before, after, times`.

    Row n belongs to row n; `times` is the distance by what is allowed, infinite for other words.
    """
    made = MADE_FROM_THEM if {*committed.columns} >= DIFFERENCE else ()
    left_out = (*NOT_RESULTS, *made)
    columns = [n for n in committed.columns if n in fresh and not _is_like(n, left_out)]
    found = []
    rows = zip(committed.to_dict("records"), fresh.to_dict("records"), strict=True)
    for number, (old, new) in enumerate(rows):
        if SPEED not in str(old.get("unit", "")):
            for name in columns:
                times = _times(name, old, new)
                found.append((number, name, old[name], new[name], times))
    return pd.DataFrame(found, columns=["row", "column", "before", "after", "times"])


def _times(column: str, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> float:
    before, after = old[column], new[column]
    if str(before) == str(after):
        return 0.0
    try:
        old_number, number = float(before), float(after)
    except ValueError:
        return float("inf")
    if isinstance(before, bool) or old_number != old_number or number != number:
        return float("inf")
    if column in COUNTS:
        return float("inf")
    around = RELATIVE * abs(old_number) + SMALLEST
    below, above = around, around
    for low, high in _intervals(old):
        if column in INTERVAL_ENDS:
            below, above = max(below, high - low), max(above, high - low)
        elif low <= old_number <= high:
            below, above = max(below, old_number - low), max(above, high - old_number)
    apart = number - old_number
    return apart / above if apart > 0 else -apart / below


INTERVAL_ENDS = frozenset(end for ends in INTERVALS for end in ends)


def _intervals(row: Mapping[Any, Any]) -> Iterator[tuple[float, float]]:
    for names in INTERVALS:
        low, high = (float(row.get(name, float("nan"))) for name in names)
        if low < high:
            yield low, high


def _is_like(column: Any, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(str(column), pattern) for pattern in patterns)


def read_table(path: Path) -> pd.DataFrame:
    """A saved table.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        return pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path} is no table: {error}") from error
