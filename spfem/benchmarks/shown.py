"""The table of `figures/README.md`: times faster than literal versions, on CPU and GPU."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from spfem.artifacts import writing
from spfem.errors import CorpusError

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
