"""The command `python -m spfem import-checkpoint`; light, so that `--help` loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

RELEASED_KINDS = {
    "spatial": "ASCCL metric",
    "temporal": "STCCL metric, its temporal part only (the same layout as ASCCL)",
    "spatial-temporal": "STCCL metric, both parts (the same layout as ASCCL)",
    "scmcl-audio": "SCMCL audio encoder (audio/last.pth)",
    "scmcl-expression": "SCMCL 3DMM encoder (3dmm/last.pth)",
    "scmcl-image": "SCMCL image encoder (image/last.pth)",
    "scmcl-expression-pair": "SCMCL audio and 3DMM encoders (3dmm_finetune/last.pth)",
    "scmcl-image-pair": "SCMCL audio and image encoders (image_finetune/last.pth)",
}

DESCRIPTION = """\
Turn a released checkpoint into one of this package.

The new file is a safetensors file with settings and provenance inside, for
`SpatialCoherence.load(path)` and the like. Only tensors are read: a file that holds
code is refused. Sizes come from the shapes in the file; missing, surplus and misshapen
entries are named; entries that the released code never uses are left out and listed.
Audio and 3DMM encoders have one layout, so the file cannot tell which of them it holds.
"""


def add_import_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    width = max(map(len, RELEASED_KINDS))
    listed = "\n".join(f"  {name:{width}}  {what}" for name, what in RELEASED_KINDS.items())
    parser = commands.add_parser(
        "import-checkpoint",
        allow_abbrev=False,
        help="turn a released ASCCL, STCCL or SCMCL checkpoint into one of this package",
        description=DESCRIPTION,
        epilog=f"kinds:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=RELEASED_KINDS, metavar="KIND", help="see the list below")
    parser.add_argument("file", type=Path, metavar="FILE", help="the released .pth file")
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
    from spfem.correlation.released import import_released

    made = import_released(
        arguments.kind,
        arguments.file,
        arguments.out,
        keep_channel_order=arguments.keep_channel_order,
    )
    print(f"wrote {made.path} ({made.entries} entries)")
    if "input_channels" in made.provenance:
        print(f"input channels: {made.provenance['input_channels']}")
    if made.provenance["dropped"]:
        print(f"left out, because nothing uses them: {', '.join(made.provenance['dropped'])}")
