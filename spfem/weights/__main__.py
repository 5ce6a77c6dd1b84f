"""`python -m spfem.weights check|make`: the models that come with the package; loads no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spfem.errors import CheckpointError
from spfem.files import use_studies
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER
from spfem.processes import run_command
from spfem.scales import DEVICES, SCALES

DESCRIPTION = """\
The models that come with the package: check them, or make all of them anew from a seed.

`make` learns what the run below --data has not learned yet, rounds to half precision, measures on
held-out actors, and writes the models, their cards and, last, their hashes. A killed command goes
on where it was; a second one repeats nothing.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run `check` or `make` and give its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m spfem.weights",
        allow_abbrev=False,
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
    make.add_argument("--device", choices=DEVICES, default="auto")
    make.add_argument(
        "--only", action="append", default=[], choices=names, help="this model; may be repeated"
    )
    for each in (check, make):
        each.add_argument(
            "--folder", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="of the models"
        )
    given = parser.parse_args(words)
    return run_command(lambda: _check(given.folder) if given.action == "check" else _make(given))


def _check(folder: Path) -> None:
    from spfem.weights.card import check_weights

    found = check_weights(folder)
    width = max(map(len, found))
    for name, trouble in found.items():
        print(f"{name:{width}}  {trouble or 'whole'}")
    wrong = [name for name, trouble in found.items() if trouble]
    if wrong:
        raise CheckpointError(f"{len(wrong)} of the above must be mended: {', '.join(wrong)}")


def _make(given: argparse.Namespace) -> None:
    use_studies("making the models anew")
    from studies.shipped_models import make_weights

    from spfem.run.workspace import open_workspace

    workspace = open_workspace(
        "weights",
        scale=given.scale,
        data=given.data,
        figures=given.data,  # nothing is drawn
        device=given.device,
    )
    for path in make_weights(workspace, given.folder, seed=given.seed, names=given.only):
        print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
