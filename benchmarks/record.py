"""What was found, printed and written as it comes: a killed run keeps what it knew."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from benchmarks.rows import COLUMNS, Row

CHECK_COLUMNS = ("section", "check", "result", "figure", "limit", "note")
ROW_COLUMNS = (*COLUMNS, "card")


class Record:
    """The two tables of a run, `checks.csv` and `benchmarks_gpu.csv`, begun anew.

    Results are `pass` and `FAIL` for what must hold, `reached` and `missed` for aims of speed,
    `told` for a figure that nothing is asked of, `not run` with the reason.

    Args:
        folder: where to write.
        device: `cuda` or `cpu`, of the rows.
        card: name of the GPU or the processor.
        judged: whether aims of speed are judged, which says nothing on a rehearsal's sizes.
    """

    def __init__(self, folder: Path, device: str, card: str, *, judged: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.device, self.card, self.judged = folder, device, card, judged
        self.section = "start"
        self.results: list[str] = []
        self._begin("checks.csv", CHECK_COLUMNS)
        self._begin("benchmarks_gpu.csv", ROW_COLUMNS)

    def check(self, name: str, figure: float, limit: float, note: str = "") -> None:
        """Something that must be at most `limit`; not a number fails."""
        self._write(name, "pass" if figure <= limit else "FAIL", figure, f"<= {limit:.3g}", note)

    def holds(self, name: str, held: bool, note: str = "") -> None:
        """Something that must be true."""
        self._write(name, "pass" if held else "FAIL", float(held), "== 1", note)

    def aim(self, name: str, figure: float, least: float, note: str = "") -> None:
        """A speed that should be at least `least`."""
        reached = "reached" if figure >= least else "missed"
        self._write(name, reached if self.judged else "told", figure, f">= {least:.3g}", note)

    def tell(self, name: str, figure: float, note: str = "") -> None:
        """A figure of which nothing is asked."""
        self._write(name, "told", figure, "", note)

    def leave_out(self, name: str, why: str) -> None:
        """Something that was not run."""
        self._write(name, "not run", math.nan, "", why)

    def fail(self, name: str, why: str) -> None:
        """Something that broke before it had a figure."""
        self._write(name, "FAIL", math.nan, "", why)

    def row(self, row: Row) -> None:
        """A comparison in time."""
        cells = {**row.cells(), "card": self.card}
        self._append("benchmarks_gpu.csv", [cells[name] for name in ROW_COLUMNS])
        print(
            f"  time     {row.bench} {row.precision}: {row.ours:.5g} s, literal "
            f"{row.reference:.5g} s, {row.reference / row.ours:.2f} times; {row.work}",
            flush=True,
        )

    @property
    def failures(self) -> int:
        """Checks that failed."""
        return self.results.count("FAIL")

    def _write(self, name: str, result: str, figure: float, limit: str, note: str) -> None:
        self.results.append(result)
        self._append("checks.csv", [self.section, name, result, f"{figure:.4g}", limit, note])
        shown = "" if math.isnan(figure) else f"{figure:.4g} "
        print(f"  {result:8} {name}: {shown}{limit} {note}".rstrip(), flush=True)

    def _begin(self, name: str, columns: tuple[str, ...]) -> None:
        (self.folder / name).write_text(",".join(columns) + "\n")

    def _append(self, name: str, cells: list[str]) -> None:
        with (self.folder / name).open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(cells)
