"""`python -m benchmarks PART`: rows of `figures/benchmarks.csv`, or edits of real clips.

Run it in the checkout, because the literal versions lie in `tests/reference`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from spfem.errors import SettingsError
from spfem.processes import run_command
from spfem.run.workspace import choose_device
from spfem.scales import DEVICES

PARTS: dict[str, tuple[str, ...]] = {
    "correlation": (
        "spatial_step",
        "temporal_step",
        "stage_a",
        "stage_b",
        "pairing",
        "paired_term",
        "supervision_memory",
    ),
    "manipulator": ("manipulator_inference",),
    "renderer": ("renderer_step", "renderer_inference"),
    "moved": ("moved_256", "moved_1080p", "moved_gradient", "moved_memory"),
    "edit": ("edit_demo", "edit_paper"),
    "explorer": ("explorer_interactions",),
}
"""The benches of each part, functions of one name that take a device and return rows."""
MODULES = {"manipulator": "networks", "renderer": "networks", "moved": "edit"}


def bench_part(part: str, figures: Path, *, device: str = "auto", only: str | None = None) -> None:
    """Run the benches of a part and write their rows as they are known.

    Args:
        part: one of `PARTS`.
        figures: folder of `benchmarks.csv`.
        device: `auto`, `cpu` or `cuda`.
        only: one bench of the part; default all.

    Raises:
        SettingsError: for an unknown bench.
    """
    import torch

    from benchmarks.rows import merge_rows

    if only is not None and only not in PARTS[part]:
        raise SettingsError(f"bench {only!r} is unknown; choose {', '.join(PARTS[part])}")
    where = choose_device(device)
    print(f"on {where}, {torch.get_num_threads()} threads", flush=True)
    module = importlib.import_module(f"benchmarks.{MODULES.get(part, part)}")
    for name in PARTS[part] if only is None else (only,):
        rows = getattr(module, name)(where)
        merge_rows(figures / "benchmarks.csv", rows)
        for row in rows:
            cells = row.cells()
            print(
                f"{cells['bench']} {cells['precision']}: {cells['reference_seconds']} -> "
                f"{cells['seconds']}, {cells['ratio']}x ({cells['work']})",
                flush=True,
            )


def build_parser() -> argparse.ArgumentParser:
    """The parser of all parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", allow_abbrev=False)
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for part, benches in PARTS.items():
        add = parts.add_parser(part, allow_abbrev=False, help=", ".join(benches)).add_argument
        add("--only", metavar="NAME", help="one bench of the part")
        add("--figures", type=Path, default=Path("figures"), metavar="DIR")
        add("--device", choices=DEVICES, default="auto")
    title = "edit every real clip of a folder to the emotions of its references, and measure"
    add = parts.add_parser("edits", allow_abbrev=False, help=title, description=title).add_argument
    add("clips", type=Path, metavar="DIR", help="folder with clips.csv, as of audit")
    add("--out", type=Path, default=Path("figures/real_edits.csv"), metavar="FILE.csv")
    add("--videos", type=Path, metavar="DIR", help="keep the edited clips here (default: nowhere)")
    add("--models", type=Path, metavar="DIR", help="as of edit")
    add("--renderer", choices=("moved", "ned"), help="as of edit")
    add("--processes", type=int, default=2, metavar="N", help="clips at a time (default: 2)")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run one part and give its exit status."""
    given = vars(build_parser().parse_args(words))
    part = given.pop("part")
    if part != "edits":
        return run_command(lambda: bench_part(part, **given))

    def edit() -> None:
        from benchmarks.edits import write_edits

        write_edits(**given)

    return run_command(edit)


if __name__ == "__main__":
    sys.exit(main())
