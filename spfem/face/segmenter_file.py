"""The user's own weights of the face segmenter: the released file, or the imported one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint
from spfem.face.segmenter import FaceSegmenter
from spfem.released_files import read_released
from spfem.released_kinds import ENDING, OpenedRelease

CHECKPOINT_KIND = "face_segmenter"


def load_segmenter(
    path: Path,
    *,
    learned_statistics: bool = False,
    device: torch.device | str = "cpu",
) -> FaceSegmenter:
    """Read the segmenter, strictly, without gradients.

    Args:
        path: `lfw_figaro_unet_256_2_0_segmentation_v1.pth` of FSGAN, or what
            `import-checkpoint fsgan-segmenter` made of it.
        learned_statistics: as in `FaceSegmenter`.
        device: where to put it.

    Raises:
        CheckpointError: if the file is missing, damaged, holds code, or its entries are missing,
            surplus or of another shape.
    """
    if path.suffix == ENDING:
        tensors, _ = load_checkpoint(path, kind=CHECKPOINT_KIND)
    else:
        tensors = read_released(path).tensors
    return _fill(tensors, path, learned_statistics).to(device)


def open_released(kind: str, path: Path) -> OpenedRelease:
    """Read the released file for `import-checkpoint`; errors as in `load_segmenter`."""
    file = read_released(path)
    tensors, provenance = _fill(file.tensors, path, False).state_dict(), file.provenance(kind)
    write = partial(
        save_checkpoint, tensors=tensors, kind=CHECKPOINT_KIND, facts={"provenance": provenance}
    )
    return OpenedRelease(len(tensors), provenance, write)


def _fill(tensors: dict[str, Tensor], path: Path, learned_statistics: bool) -> FaceSegmenter:
    with torch.device("meta"):  # no time for values that are overwritten at once
        segmenter = FaceSegmenter(learned_statistics=learned_statistics)
    segmenter.to_empty(device="cpu")
    load_weights(segmenter, tensors, path, advice="give FSGAN's face segmenter of version 1")
    return segmenter.eval().requires_grad_(False)
