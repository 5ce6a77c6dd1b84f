"""The rows of `benchmarks.csv`, and their merging with what was measured before."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spfem.artifacts import writing
from spfem.errors import CorpusError

COLUMNS = ("bench", "device", "precision", "work", "reference_seconds", "seconds", "ratio")


@dataclass(frozen=True)
class Row:
    """One comparison; `work` says what was done, and the unit where it is not seconds."""

    bench: str
    device: str
    precision: str
    work: str
    reference: float
    ours: float

    def cells(self) -> dict[str, str]:
        """The row as the file holds it; `ratio` is the reference's share of ours."""
        return {
            "bench": self.bench,
            "device": self.device,
            "precision": self.precision,
            "work": self.work,
            "reference_seconds": f"{self.reference:.6g}",
            "seconds": f"{self.ours:.6g}",
            "ratio": f"{self.reference / self.ours:.4g}",
        }


def merge_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write `rows` into the table at `path`; other benches, devices and precisions stay.

    Raises:
        CorpusError: if the file there has other columns.
    """
    kept: dict[tuple[str, ...], dict[str, str]] = {}
    if path.exists():
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise CorpusError(
                    f"{path} has the columns {reader.fieldnames}, wanted {list(COLUMNS)}; "
                    "move it away and run the benchmark again"
                )
            kept = {tuple(row[name] for name in COLUMNS[:3]): row for row in reader}
    for row in rows:
        kept[row.bench, row.device, row.precision] = row.cells()
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as aside, Path(aside).open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept.values())
