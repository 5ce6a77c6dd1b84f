"""A checkpoint in half precision: half the bytes, loaded into the network's single precision."""

from __future__ import annotations

from pathlib import Path

import torch

from spfem.checkpoints import load_checkpoint, save_checkpoint
from spfem.errors import CheckpointError


def pack_half(source: Path, path: Path, *, kind: str) -> None:
    """Write the checkpoint `source` to `path` with its floating-point tensors as float16.

    Kind, settings and provenance stay, so what loads the one loads the other.

    Args:
        source: checkpoint to read.
        path: file to write.
        kind: of checkpoint.

    Raises:
        CheckpointError: if the file cannot be read, or a value is too large for half precision.
    """
    tensors, facts = load_checkpoint(source, kind=kind)
    packed = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    lost = [name for name, tensor in packed.items() if not torch.isfinite(tensor).all()]
    if lost:
        raise CheckpointError(
            f"{source} does not fit half precision: {', '.join(sorted(lost))} would be infinite"
        )
    save_checkpoint(path, packed, kind=kind, facts=facts)
