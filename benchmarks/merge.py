"""`python -m benchmarks.merge OUT`: the rows of a run on a GPU into `figures/benchmarks.csv`."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from benchmarks.record import ROW_COLUMNS
from benchmarks.rows import Row, merge_rows, renew_table
from spfem.errors import InputError

FIGURES, PAGE = Path("figures/benchmarks.csv"), Path("figures/README.md")


def read_rows(path: Path) -> list[Row]:
    """The rows of `benchmarks_gpu.csv`, with the card as their device.

    Raises:
        InputError: if the file is missing, of another kind, or of a rehearsal.
    """
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            found = list(reader)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}); run benchmarks/gpu.sh first") from error
    if tuple(reader.fieldnames or ()) != ROW_COLUMNS:
        raise InputError(f"{path} has the columns {reader.fieldnames}, wanted {list(ROW_COLUMNS)}")
    if any(row["device"] != "cuda" for row in found):
        raise InputError(f"{path} is of a rehearsal, whose times say nothing; give that of a GPU")
    return [
        Row(
            row["bench"],
            row["card"],
            row["precision"],
            row["work"],
            float(row["reference_seconds"]),
            float(row["seconds"]),
        )
        for row in found
    ]


def main() -> None:
    """Merge, and renew the table of the page beside the rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.merge", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("--figures", type=Path, default=FIGURES, help=f"default: {FIGURES}")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"default: {PAGE}")
    given = parser.parse_args()
    rows = read_rows(given.out / "benchmarks_gpu.csv")
    merge_rows(given.figures, rows)
    renew_table(given.page, given.figures)
    print(f"{len(rows)} rows of {rows[0].device if rows else 'nothing'} in {given.figures}")


if __name__ == "__main__":
    main()
