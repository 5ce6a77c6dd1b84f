"""The command `python -m spfem weights`; light, so that `--help` loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spfem.errors import CheckpointError
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER
from spfem.scales import SCALES

DESCRIPTION = """\
The models that come with the package: check them, or make all of them anew from a seed.

`make` learns what the run below --data has not learned yet, rounds to half precision, measures on
held-out actors, and writes the models, their cards and, last, their hashes. A killed command goes
on where it was; a second one repeats nothing.
"""


def add_weights_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    parser = commands.add_parser(
        "weights",
        allow_abbrev=False,
        help="check the models that come with the package, or make them anew",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", allow_abbrev=False, help="files against hashes and cards")
    make = actions.add_parser("make", allow_abbrev=False, help="make all of them anew")
    names = [name for variants in PRETRAINED.values() for name in variants.values()]
    make.add_argument("--scale", choices=SCALES, default="demo", help="default: demo")
    make.add_argument("--seed", type=int, default=0, help="of all that is learned (default: 0)")
    make.add_argument("--data", type=Path, default=Path("data"), metavar="DIR")
    make.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    make.add_argument(
        "--only", action="append", default=[], choices=names, help="this model; may be repeated"
    )
    for each, purpose in ((check, "to check"), (make, "to write to")):
        each.add_argument(
            "--folder",
            type=Path,
            metavar="DIR",
            help=f"folder {purpose} (default: the one of the package)",
        )


def run_weights(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        CheckpointError: of `check`, after its report, if something is wrong.
    """
    if arguments.action == "check":
        _check(arguments.folder)
    else:
        _make(arguments)


def _check(folder: Path | None) -> None:
    from spfem.weights.check import check_weights

    found = check_weights(folder)
    width = max(map(len, found))
    for name, trouble in found.items():
        print(f"{name:{width}}  {trouble or 'whole'}")
    wrong = [name for name, trouble in found.items() if trouble]
    if wrong:
        raise CheckpointError(f"{len(wrong)} of the above must be mended: {', '.join(wrong)}")


def _make(arguments: argparse.Namespace) -> None:
    from spfem.weights.make import make_weights
    from spfem.workspace import open_workspace

    workspace = open_workspace(
        "weights",
        scale=arguments.scale,
        data=arguments.data,
        figures=arguments.data,  # nothing is drawn
        device=arguments.device,
    )
    for made in make_weights(
        workspace, arguments.folder or WEIGHTS_FOLDER, seed=arguments.seed, names=arguments.only
    ):
        print(f"wrote {made.path}")
