"""The command `python -m spfem report`; light, so that `--help` loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_report_parser(commands: Any) -> None:
    """Add `report` to the sub-parsers of the command line."""
    parser = commands.add_parser(
        "report",
        allow_abbrev=False,
        help="write the page of all tables, figures and videos of a run",
        description="Write index.html beside the results; every run of run_all.sh ends with it.",
    )
    parser.add_argument("results", type=Path, metavar="DIR", help="figures/<corpus>-<scale>")


def run_report(arguments: argparse.Namespace) -> None:
    """Write the page and say where."""
    from spfem.report.page import write_report

    print(f"wrote {write_report(arguments.results)}")
