"""`python -m benchmarks.drift FIRST OTHER ...`: how far tables of other machines lie.

The folders are results of one corpus and scale, made with other numbers of threads or as on other
processors: `OMP_NUM_THREADS=2`, or `ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
OPENBLAS_CORETYPE=Haswell MKL_ENABLE_INSTRUCTIONS=AVX2` before `bash run_all.sh`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from spfem.run.agreement import NOT_COMPARED, compare_cells, read_table


def measure_drift(first: Path, others: list[Path]) -> pd.DataFrame:
    """Rows of `table, column, cells, changed, outside, median_relative, most_relative`.

    `changed` and `outside` (of what is allowed) are shares of the cells of all others; `run` is
    the folder of each. Columns in which nothing changed are left out.
    """
    rows = []
    for path in sorted((first / "tables").glob("*.csv")):
        if path.stem in NOT_COMPARED:
            continue
        committed = read_table(path)
        for other in others:
            fresh = read_table(other / "tables" / path.name)
            if len(fresh) != len(committed):
                rows.append({"table": path.stem, "run": other.parent.name, "column": "rows"})
                continue
            cells = compare_cells(committed, fresh)
            cells["run"], cells["table"] = other.parent.parent.name, path.stem
            rows += cells.to_dict("records")
    cells = pd.DataFrame(rows)
    before, after = (pd.to_numeric(cells[name], errors="coerce") for name in ("before", "after"))
    cells["relative"] = (after - before).abs() / before.abs()
    cells["changed"], cells["outside"] = cells.times > 0, cells.times > 1
    grouped = cells.groupby(["table", "run"], sort=False)
    table = grouped.agg(
        cells=("times", "size"),
        changed=("changed", "mean"),
        outside=("outside", "mean"),
        most_times=("times", "max"),
    )
    moved = cells[cells.changed].groupby(["table", "run"], sort=False).relative
    table["median_relative"] = moved.median()
    return table.reset_index()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("others", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("figures/drift.csv"))
    given = parser.parse_args()
    drift = measure_drift(given.first, given.others)
    drift.round(4).to_csv(given.out, index=False)
    print(drift.round(4).to_string(index=False))
