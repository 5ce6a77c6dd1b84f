"""The command `python -m spfem import-checkpoint`; light, so that `--help` loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spfem.released_kinds import RELEASED_KINDS, import_released

DESCRIPTION = """\
Turn a released checkpoint into one of this package.

The new file is a safetensors file with settings and provenance inside, for
`SpatialCoherence.load(path)`, `load_manipulator(path)`, `load_renderer(path)` and the like.
Only tensors are read: a file that holds code is refused. Sizes come from the shapes in the
file; missing, surplus and misshapen entries are named; entries that nothing here uses are
left out and listed. Audio and 3DMM encoders have one layout, so the file cannot tell which
of them it holds. Manipulators work on FLAME expressions (51 coefficients), so they need the
FLAME and DECA files beside them; `python -m spfem doctor` lists those.
"""


def add_import_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    width = max(map(len, RELEASED_KINDS))
    listed = "\n".join(f"  {name:{width}}  {kind.title}" for name, kind in RELEASED_KINDS.items())
    parser = commands.add_parser(
        "import-checkpoint",
        allow_abbrev=False,
        help="turn a released checkpoint into one of this package",
        description=DESCRIPTION,
        epilog=f"kinds:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=RELEASED_KINDS, metavar="KIND", help="see the list below")
    parser.add_argument("file", type=Path, metavar="FILE", help="the released file")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT.safetensors", help="the new checkpoint"
    )
    parser.add_argument(
        "--keep-channel-order",
        action="store_true",
        help="leave the first convolution of ASCCL and STCCL for BGR images, as released "
        "(default: turned round, because this package feeds RGB)",
    )


def import_checkpoint(arguments: argparse.Namespace) -> None:
    """Run the command and say what became of the file."""
    made = import_released(
        arguments.kind,
        arguments.file,
        arguments.out,
        keep_channel_order=arguments.keep_channel_order,
    )
    print(f"wrote {arguments.out} ({made.entries} entries)")
    for note in made.notes:
        print(note)
    if made.provenance["dropped"]:
        print(f"left out, because nothing uses them: {', '.join(made.provenance['dropped'])}")
