"""The released files that can be imported, by kind; light, so that listing them loads no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spfem.errors import SettingsError

METRICS = "spfem.correlation.released"
ENDING = ".safetensors"


@dataclass(frozen=True)
class ReleasedKind:
    """One layout of released files.

    Attributes:
        title: what it is, for the help.
        module: whose `open_released(kind, path)` reads it.
    """

    title: str
    module: str


RELEASED_KINDS = {
    "spatial": ReleasedKind("ASCCL metric", METRICS),
    "temporal": ReleasedKind(
        "STCCL metric, its temporal part only (the same layout as ASCCL)", METRICS
    ),
    "spatial-temporal": ReleasedKind(
        "STCCL metric, both parts (the same layout as ASCCL)", METRICS
    ),
    "scmcl-audio": ReleasedKind("SCMCL audio encoder (audio/last.pth)", METRICS),
    "scmcl-expression": ReleasedKind("SCMCL 3DMM encoder (3dmm/last.pth)", METRICS),
    "scmcl-image": ReleasedKind("SCMCL image encoder (image/last.pth)", METRICS),
    "scmcl-expression-pair": ReleasedKind(
        "SCMCL audio and 3DMM encoders (3dmm_finetune/last.pth)", METRICS
    ),
    "scmcl-image-pair": ReleasedKind(
        "SCMCL audio and image encoders (image_finetune/last.pth)", METRICS
    ),
    "ned-manipulator": ReleasedKind(
        "NED manipulator (02_nets_finetuned.pth)", "spfem.manipulator.released"
    ),
    "scmcl-manipulator": ReleasedKind(
        "SCMCL manipulator (05_nets_finetuned.pth)", "spfem.manipulator.released"
    ),
    "ned-renderer": ReleasedKind(
        "NED or SCMCL renderer of a person: 20_net_G.pth with _net_D.pth and _net_Dm.pth beside "
        "it, or their folder",
        "spfem.renderer.released",
    ),
    "scmcl-renderer": ReleasedKind(
        "SCMCL renderer and its discriminators in one file (01_nets.pth)",
        "spfem.renderer.released",
    ),
    "fsgan-segmenter": ReleasedKind(
        "FSGAN face segmenter (lfw_figaro_unet_256_2_0_segmentation_v1.pth)",
        "spfem.face.segmenter_file",
    ),
    "deca": ReleasedKind(
        "DECA encoders and detail decoder (deca_model.tar)", "spfem.flame.released"
    ),
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
    """Read a released file into networks of its sizes.

    Args:
        kind: one of `RELEASED_KINDS`.
        path: released file, or for a renderer also its folder.
        keep_channel_order: leave the first convolution of ASCCL and STCCL for BGR pictures.

    Raises:
        CheckpointError: if the file cannot be read or is of another layout, with the names of the
            missing, surplus and misshapen entries.
        SettingsError: for an unknown kind, or a channel order where there is none to keep.
    """
    if kind not in RELEASED_KINDS:
        raise SettingsError(f"kind must be one of {', '.join(RELEASED_KINDS)}; found {kind!r}")
    module = RELEASED_KINDS[kind].module
    if not keep_channel_order:
        return importlib.import_module(module).open_released(kind, path)
    if module != METRICS:
        raise SettingsError(f"{kind} was not learned on BGR images; do not keep the channel order")
    return importlib.import_module(module).open_released(kind, path, keep_channel_order=True)


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
