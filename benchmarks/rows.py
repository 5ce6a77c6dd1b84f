"""Rows of `figures/benchmarks.csv`: timed, merged with what was measured before, and shown."""

from __future__ import annotations

import csv
import importlib
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch

from spfem.errors import CorpusError, SpfemError
from spfem.files import writing

Step = Callable[[], object]


def reference(name: str) -> ModuleType:
    """The literal implementation `tests/reference/<name>.py`, which only a checkout has."""
    return importlib.import_module(f"tests.reference.{name}")


MIB = 2**20
STATUS = Path("/proc/self/status")  # of Linux


def peak_bytes(device: str, *, reset: bool = False) -> int:
    """Most memory that this process (of a GPU: torch) has held; `reset` starts anew on a GPU."""
    if torch.device(device).type == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats(device)
            return torch.cuda.memory_allocated(device)
        return torch.cuda.max_memory_allocated(device)
    if STATUS.exists():  # ru_maxrss of a child begins at the size of the process that started it
        line = next(row for row in STATUS.read_text().splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure_apart(module: str, *words: str) -> float:
    """The last word that `python -m benchmarks.MODULE WORDS` prints, in a process of its own.

    Raises:
        SpfemError: if the process fails.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *words]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    if done.returncode:
        raise SpfemError(f"measuring memory failed: {done.stderr.strip()[-500:]}")
    return float(done.stdout.split()[-1])


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


HEADER = "| Times faster than a literal version | CPU | GPU |"
NOT_MEASURED = "not measured"
SHOWN: tuple[tuple[str, str, str], ...] = (
    ("ASCCL learning step, 8 pairs of 224 px", "spatial_step", "spatial_step_224px"),
    ("STCCL learning step, windows of 5 frames", "temporal_step", "temporal_step_5_frames"),
    ("STCCL learning step, windows of 9 frames", "", "temporal_step_9_frames"),
    ("SCMCL learning step alone, 64 pairs", "stage_a_step", "stage_a_step"),
    ("SCMCL joint learning step, 64 pairs", "stage_b_step", "stage_b_step"),
    ("SCMCL supervision term", "paired_term", "paired_term"),
    ("manipulator, training iteration of 64 windows", "", "manipulator_iteration"),
    ("manipulator, edit of 300 frames", "manipulator_inference", "manipulator_inference"),
    ("NED renderer, training step", "renderer_step", "renderer_step_256px"),
    (
        "NED renderer, a frame of 256 px, one clip",
        "renderer_inference",
        "renderer_inference_1_clips",
    ),
    ("NED renderer, a frame of 256 px, 8 clips at once", "", "renderer_inference_8_clips"),
    ("renderer that moves pixels, 512 px, real time = 1", "", "moved_renderer_512px"),
)
"""What a row says, and the bench that tells it on a CPU and on a GPU; the best precision counts."""


def shown_table(rows: Sequence[dict[str, str]]) -> str:
    """Lines of Markdown of the rows of `benchmarks.csv`; what has no row is not measured."""
    lines = [HEADER, "|---|---|---|"]
    for text, on_cpu, on_gpu in SHOWN:
        cpu = [row for row in rows if row["device"] == "cpu" and row["bench"] == on_cpu]
        gpu = [row for row in rows if row["device"] != "cpu" and row["bench"] == on_gpu]
        lines.append(f"| {text} | {_best(cpu)} | {_best(gpu, named=True)} |")
    return "\n".join(lines) + "\n"


def _best(rows: Sequence[dict[str, str]], *, named: bool = False) -> str:
    if not rows:
        return NOT_MEASURED
    best = max(rows, key=lambda row: float(row["ratio"]))
    card = f", {best['device']}" if named else ""
    ratio = float(best["ratio"])
    return f"{ratio:{'.0f' if ratio >= 100 else '.2g'}} ({best['precision']}{card})"


def renew_table(page: Path, figures: Path) -> None:
    """Write the table of `figures` over the one that `page` shows.

    Raises:
        CorpusError: if the page shows none.
    """
    with figures.open(newline="") as file:
        table = shown_table(list(csv.DictReader(file)))
    before, header, after = page.read_text("utf-8").partition(HEADER)
    if not header:
        raise CorpusError(f"{page} has no table that begins with {HEADER!r}; put it back")
    kept = after.split("\n")
    first = next((n for n, line in enumerate(kept) if n and not line.startswith("|")), len(kept))
    with writing(page) as aside:
        Path(aside).write_text(before + table + "\n".join(kept[first:]), encoding="utf-8")
