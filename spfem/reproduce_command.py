"""The command that `run_all.sh` calls; light, so that `--help` loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spfem.errors import SettingsError
from spfem.scales import SCALES
from spfem.workspace import DEVICES


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def add_reproduce_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    run = commands.add_parser(
        "reproduce",
        prog="run_all.sh",
        allow_abbrev=False,
        help="regenerate every table and figure (what run_all.sh calls)",
        description="Regenerate every table and figure by running the numbered notebooks.",
    )
    run.add_argument(
        "--scale",
        choices=SCALES,
        default="demo",
        help="smoke: does it run; demo: minutes on two cores (default); full: three seeds; "
        "paper: paper-size networks",
    )
    run.add_argument(
        "--corpus",
        default="synthetic",
        metavar="CORPUS",
        help="synthetic (default); mead or ravdess, with the recordings below --data; or a folder "
        "with MEAD, RAVDESS or own clips listed in its clips.csv",
    )
    run.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="folder of generated data, and of mead/ or ravdess/ (default: data)",
    )
    run.add_argument(
        "--figures",
        type=Path,
        default=Path("figures"),
        metavar="DIR",
        help="folder of results (default: figures)",
    )
    run.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    run.add_argument("--only", metavar="NN", help="run only the notebook of this number")
    run.add_argument("--from", dest="start", metavar="NN", help="start at this notebook")
    run.add_argument("--force", action="store_true", help="run notebooks even if unchanged")
    run.add_argument(
        "--ablations",
        action="store_true",
        help="also make the ablation tables (at full scale about 45 minutes more on two cores; a "
        "killed run goes on where it was)",
    )
    run.add_argument(
        "-p",
        "--parameter",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter for the notebooks; may be repeated",
    )


def run_reproduce(arguments: argparse.Namespace) -> None:
    """Run the notebooks that are asked for.

    Raises:
        SettingsError: if options exclude each other.
    """
    from spfem.reproduce import RunSettings, reproduce

    if arguments.only and arguments.start:
        raise SettingsError("--only and --from exclude each other; give one of them")
    reproduce(
        RunSettings(
            scale=arguments.scale,
            corpus=arguments.corpus,
            data=arguments.data,
            figures=arguments.figures,
            device=arguments.device,
            only=arguments.only,
            start=arguments.start,
            force=arguments.force,
            parameters=tuple(arguments.parameter),
            ablations=arguments.ablations,
        )
    )
