"""The command `python -m spfem bench`: our steps beside plain ones, into benchmarks.csv."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spfem.workspace import DEVICES

PARTS = ("correlation", "manipulator", "renderer", "moved", "edit", "explorer")
"""Those of `spfem.benchmarks.run`, which is loaded when one is run."""


def add_bench_parser(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser(
        "bench",
        allow_abbrev=False,
        help="time our steps against plain implementations of the released ones",
    )
    parser.add_argument("part", choices=PARTS, help="what to time")
    parser.add_argument("--only", metavar="NAME", help="one bench, for example spatial_step")
    parser.add_argument("--figures", type=Path, default=Path("figures"), metavar="DIR")
    parser.add_argument("--device", choices=DEVICES, default="auto")


def run_bench(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from spfem.benchmarks.run import bench_part

    bench_part(arguments.part, arguments.figures, device=arguments.device, only=arguments.only)
