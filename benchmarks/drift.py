"""`python -m benchmarks.drift FIRST OTHER ...`: how far tables of other machines lie.

The folders are results of one corpus and scale, made with other numbers of threads or as on other
processors: `OMP_NUM_THREADS=2`, or `ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
OPENBLAS_CORETYPE=Haswell MKL_ENABLE_INSTRUCTIONS=AVX2` before `bash run_all.sh`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spfem.run.agreement import NOT_COMPARED, compare_cells, read_table


def measure_drift(first: Path, others: Sequence[Path]) -> pd.DataFrame:
    """A row for each table and other run: `table, run, cells, changed, outside, ...`.

    `changed` and `outside` (of what is allowed) are shares of cells, `most_times` is the largest
    distance by what is allowed, `median_relative` is of the changed numbers. Other rows than those
    of the first are outside as a whole.
    """
    found = []
    for path in sorted((first / "tables").glob("*.csv")):
        for other in others if path.stem not in NOT_COMPARED else ():
            if not (other / "tables" / path.name).is_file():
                continue
            committed, fresh = read_table(path), read_table(other / "tables" / path.name)
            row = {"table": path.stem, "run": other.name}
            if len(committed) != len(fresh):
                found.append(row | {"cells": 0, "changed": 1.0, "outside": 1.0})
                continue
            cells = compare_cells(committed, fresh)
            before, after = (
                pd.to_numeric(cells[name], errors="coerce") for name in ("before", "after")
            )
            relative = ((after - before).abs() / before.abs())[cells.times > 0]
            found.append(
                row
                | {
                    "cells": len(cells),
                    "changed": (cells.times > 0).mean(),
                    "outside": (cells.times > 1).mean(),
                    "most_times": cells.times.max(),
                    "median_relative": relative.median(),
                }
            )
    return pd.DataFrame(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("others", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("figures/drift.csv"))
    given = parser.parse_args()
    drift = measure_drift(given.first, given.others)
    drift.round(4).to_csv(given.out, index=False)
    print(drift.round(4).to_string(index=False))
