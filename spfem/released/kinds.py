"""The released files that can be imported, by kind; light, for the command line."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spfem.errors import SettingsError

METRICS = "networks:open_metric"
ENDING = ".safetensors"
FSGAN_NAME = "lfw_figaro_unet_256_2_0_segmentation_v1.pth"


@dataclass(frozen=True)
class ReleasedKind:
    """One layout of released files.

    Attributes:
        title: what it is, for the help.
        reader: `module:function` in this room that opens it, given kind and path.
    """

    title: str
    reader: str

    def open(self, kind: str, path: Path, **words: bool) -> OpenedRelease:
        """Call its reader, whose module is imported only now."""
        module, function = self.reader.split(":")
        reader = getattr(importlib.import_module(f"spfem.released.{module}"), function)
        opened: OpenedRelease = reader(kind, path, **words)
        return opened


_TITLES = {
    METRICS: {
        "spatial": "ASCCL metric",
        "temporal": "STCCL metric, its temporal part only (the same layout as ASCCL)",
        "spatial-temporal": "STCCL metric, both parts (the same layout as ASCCL)",
        "scmcl-audio": "SCMCL audio encoder (audio/last.pth)",
        "scmcl-expression": "SCMCL 3DMM encoder (3dmm/last.pth)",
        "scmcl-image": "SCMCL image encoder (image/last.pth)",
        "scmcl-expression-pair": "SCMCL audio and 3DMM encoders (3dmm_finetune/last.pth)",
        "scmcl-image-pair": "SCMCL audio and image encoders (image_finetune/last.pth)",
    },
    "networks:open_manipulator": {
        "ned-manipulator": "NED manipulator (02_nets_finetuned.pth)",
        "scmcl-manipulator": "SCMCL manipulator (05_nets_finetuned.pth)",
    },
    "networks:open_renderer": {
        "ned-renderer": "NED or SCMCL renderer of a person: 20_net_G.pth with _net_D.pth and "
        "_net_Dm.pth beside it, or their folder",
        "scmcl-renderer": "SCMCL renderer and its discriminators in one file (01_nets.pth)",
    },
}
RELEASED_KINDS = {
    kind: ReleasedKind(title, reader)
    for reader, titles in _TITLES.items()
    for kind, title in titles.items()
}


@dataclass(frozen=True)
class OpenedRelease:
    """Networks filled from a released file.

    Attributes:
        entries: number of tensors taken from it.
        provenance: where they come from, as stored in the new file.
        write: makes the checkpoint of this package.
        notes: what the user should know.
    """

    entries: int
    provenance: dict[str, Any]
    write: Callable[[Path], None]
    notes: tuple[str, ...] = ()


def open_released(kind: str, path: Path, *, keep_channel_order: bool = False) -> OpenedRelease:
    """Read a released file, or the folder of a renderer, into networks of its sizes.

    `keep_channel_order` leaves the first convolution of ASCCL and STCCL for BGR pictures.

    Raises:
        CheckpointError: if the file cannot be read or is of another layout, with the names of the
            missing, surplus and misshapen entries.
        SettingsError: for an unknown kind, or a channel order where there is none to keep.
    """
    if kind not in RELEASED_KINDS:
        raise SettingsError(f"kind must be one of {', '.join(RELEASED_KINDS)}; found {kind!r}")
    released = RELEASED_KINDS[kind]
    if not keep_channel_order:
        return released.open(kind, path)
    if released.reader != METRICS:
        raise SettingsError(f"{kind} was not learned on BGR images; do not keep the channel order")
    return released.open(kind, path, keep_channel_order=True)


def import_released(
    kind: str, path: Path, out: Path, *, keep_channel_order: bool = False
) -> OpenedRelease:
    """Read a released file and write it as a checkpoint of this package.

    Args and errors as in `open_released`; `out` must end in .safetensors.
    """
    if out.suffix != ENDING:
        raise SettingsError(f"the new file must end in {ENDING}, found {out}")
    opened = open_released(kind, path, keep_channel_order=keep_channel_order)
    opened.write(out)
    return opened
