"""DECA's networks as a checkpoint of this package, for `import-checkpoint`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from spfem.checkpoints import save_checkpoint
from spfem.flame.networks import CHECKPOINT_KIND, NETWORKS, fill_networks
from spfem.released_files import read_released
from spfem.released_kinds import OpenedRelease


def open_released(kind: str, path: Path) -> OpenedRelease:
    """Read `deca_model.tar`; what else it holds (options, optimisers) is left out.

    Raises:
        CheckpointError: if the file is damaged, holds code, or entries of its networks are
            missing, surplus or of another shape.
    """
    file = read_released(path, NETWORKS)
    fill_networks(file.tensors, path)
    provenance = file.provenance(kind)
    write = partial(
        save_checkpoint,
        tensors=file.tensors,
        kind=CHECKPOINT_KIND,
        facts={"provenance": provenance},
    )
    return OpenedRelease(len(file.tensors), provenance, write)
