"""The table that comes first: every method's average, with its interval."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spfem.evaluation.results_schema import AVERAGE, HIGHER_IS_BETTER
from spfem.evaluation.tables import clear_best
from spfem.plots import METRIC_LABELS, title_of
from spfem.report.tables import round_number

MAIN_RESULTS = "tables/main_results.csv"
PAPER_CHECK = "tables/paper_check.csv"


def read_headline(results: Path) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Columns and cells by setting (`intra`, `cross`); nothing without main results.

    A cell is `value [low, high]` of the average over emotions; bold only where the interval
    of the best method meets no other's.
    """
    path = results / MAIN_RESULTS
    if not path.is_file():
        return {}
    table = pd.read_csv(path)
    table = table[(table.emotion == AVERAGE) & table.value.notna()]
    return {str(name): _layout(part) for name, part in table.groupby("setting", sort=False)}


def _layout(part: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    kinds = part[["metric", "backbone"]].astype(str).drop_duplicates().to_numpy(str).tolist()
    order = list(HIGHER_IS_BETTER)  # that of the papers
    kinds.sort(key=lambda kind: order.index(kind[0]) if kind[0] in order else len(order))
    columns, cells = ["method"], {str(name): [title_of(str(name))] for name in part.method.unique()}
    for metric, backbone in kinds:
        higher = HIGHER_IS_BETTER.get(metric)
        label = METRIC_LABELS.get(metric, metric).replace("\n", ", ")
        columns.append(f"{label} ({backbone})")
        cell = part[(part.metric == metric) & (part.backbone == backbone)]
        best = None if higher is None else clear_best(cell, higher_is_better=higher)
        for name, row in cells.items():
            mine = cell[cell.method == name]
            text = "n/a"
            if len(mine):
                numbers = [
                    round_number(float(mine[k].iloc[0])) for k in ("value", "ci_low", "ci_high")
                ]
                text = f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"
            row.append(f"**{text}**" if name == best else text)
    return columns, list(cells.values())


def count_verdicts(results: Path) -> dict[str, int]:
    """How many claims of the papers hold, do not hold, or cannot be tested here."""
    path = results / PAPER_CHECK
    if not path.is_file():
        return {}
    table = pd.read_csv(path)
    if "verdict" not in table:
        return {}
    return {str(name): int(count) for name, count in table.verdict.value_counts().items()}
