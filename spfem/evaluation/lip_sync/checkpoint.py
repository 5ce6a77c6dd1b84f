"""Files of the learned lip-sync network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.evaluation.lip_sync.network import LipSyncNetwork
from spfem.settings import LipSyncSettings

CHECKPOINT_KIND = "lip sync"


def save_lip_sync(path: Path, network: LipSyncNetwork) -> None:
    """Write the network and its settings."""
    facts = {"settings": asdict(network.settings)}
    save_checkpoint(path, network.state_dict(), kind=CHECKPOINT_KIND, facts=facts)


def load_lip_sync(path: Path, *, device: str = "cpu") -> LipSyncNetwork:
    """Read the network of `save_lip_sync`, ready to measure.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND)
    network = LipSyncNetwork(settings_from_facts(LipSyncSettings, facts.get("settings"), path))
    load_weights(network, tensors, path)
    return network.to(device).eval().requires_grad_(False)
