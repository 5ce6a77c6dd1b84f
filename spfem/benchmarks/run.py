"""`python -m spfem bench correlation`: all benches, one line each, into `benchmarks.csv`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from spfem.benchmarks import crossmodal, memory, spatial
from spfem.benchmarks.table import Row, merge_rows
from spfem.errors import SettingsError
from spfem.workspace import choose_device

CORRELATION_BENCHES: dict[str, Callable[[str], list[Row]]] = {
    "spatial_step": spatial.spatial_step,
    "temporal_step": spatial.temporal_step,
    "stage_a": crossmodal.stage_a,
    "stage_b": crossmodal.stage_b,
    "pairing": crossmodal.pairing,
    "paired_term": crossmodal.paired_term,
    "supervision_memory": memory.supervision_memory,
}


def bench_correlation(figures: Path, *, device: str = "auto", only: str | None = None) -> None:
    """Run the benches and write their rows as they are known.

    Args:
        figures: folder of `benchmarks.csv`.
        device: `auto`, `cpu` or `cuda`.
        only: one of `CORRELATION_BENCHES`; default all.

    Raises:
        SettingsError: for an unknown bench, or where the references are missing.
    """
    if only is not None and only not in CORRELATION_BENCHES:
        raise SettingsError(f"bench {only!r} is unknown; choose {', '.join(CORRELATION_BENCHES)}")
    where = choose_device(device)
    print(f"on {where}, {torch.get_num_threads()} threads", flush=True)
    for name, bench in CORRELATION_BENCHES.items():
        if only in (None, name):
            rows = bench(where)
            merge_rows(figures / "benchmarks.csv", rows)
            for row in rows:
                cells = row.cells()
                print(
                    f"{cells['bench']} {cells['precision']}: {cells['reference_seconds']} -> "
                    f"{cells['seconds']}, {cells['ratio']}x ({cells['work']})",
                    flush=True,
                )
