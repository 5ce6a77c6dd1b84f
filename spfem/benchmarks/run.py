"""`python -m spfem bench PART`: all benches of a part, one line each, into `benchmarks.csv`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from spfem.benchmarks import (
    crossmodal,
    edit,
    explorer,
    manipulator,
    memory,
    moved,
    renderer,
    spatial,
)
from spfem.benchmarks.table import Row, merge_rows
from spfem.errors import SettingsError
from spfem.workspace import choose_device

Bench = Callable[[str], list[Row]]

CORRELATION_BENCHES: dict[str, Bench] = {
    "spatial_step": spatial.spatial_step,
    "temporal_step": spatial.temporal_step,
    "stage_a": crossmodal.stage_a,
    "stage_b": crossmodal.stage_b,
    "pairing": crossmodal.pairing,
    "paired_term": crossmodal.paired_term,
    "supervision_memory": memory.supervision_memory,
}


PARTS: dict[str, dict[str, Bench]] = {
    "correlation": CORRELATION_BENCHES,
    "manipulator": {"manipulator_inference": manipulator.manipulator_inference},
    "renderer": {
        "renderer_step": renderer.renderer_step,
        "renderer_inference": renderer.renderer_inference,
    },
    "moved": {
        "moved_256": moved.moved_256,
        "moved_1080p": moved.moved_1080p,
        "moved_gradient": moved.moved_gradient,
        "moved_memory": moved.moved_memory,
    },
    "edit": {"edit_demo": edit.edit_demo, "edit_paper": edit.edit_paper},
    "explorer": {"explorer_interactions": explorer.explorer_interactions},
}


def bench_part(part: str, figures: Path, *, device: str = "auto", only: str | None = None) -> None:
    """Run the benches of a part and write their rows as they are known.

    Args:
        part: one of `PARTS`.
        figures: folder of `benchmarks.csv`.
        device: `auto`, `cpu` or `cuda`.
        only: one bench of the part; default all.

    Raises:
        SettingsError: for an unknown bench, or where the references are missing.
    """
    benches = PARTS[part]
    if only is not None and only not in benches:
        raise SettingsError(f"bench {only!r} is unknown; choose {', '.join(benches)}")
    where = choose_device(device)
    print(f"on {where}, {torch.get_num_threads()} threads", flush=True)
    for name, bench in benches.items():
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
