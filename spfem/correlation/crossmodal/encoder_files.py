"""Checkpoints of one encoder alone, as single-modality learning leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.correlation.crossmodal.encoders import (
    AudioEncoder,
    Encoder,
    ExpressionEncoder,
    ImageEncoder,
)
from spfem.errors import CheckpointError
from spfem.settings import CrossModalSettings

CHECKPOINT_KIND = "cross-modal encoder"
ENCODERS: dict[str, type[AudioEncoder] | type[ExpressionEncoder] | type[ImageEncoder]] = {
    "audio": AudioEncoder,
    "expression": ExpressionEncoder,
    "image": ImageEncoder,
}


def save_encoder(
    encoder: Encoder,
    settings: CrossModalSettings,
    path: Path | str,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write `encoder`, what it sees, its settings and `provenance` (plain values) to `path`."""
    modality = next(name for name, kind in ENCODERS.items() if isinstance(encoder, kind))
    facts = {
        "modality": modality,
        "settings": asdict(settings),
        "provenance": dict(provenance or {}),
    }
    save_checkpoint(Path(path), encoder.state_dict(), kind=CHECKPOINT_KIND, facts=facts)


def load_encoder(
    path: Path | str, modality: str, *, device: torch.device | str = "cpu"
) -> tuple[Encoder, CrossModalSettings]:
    """Read an encoder of `modality` (one of `ENCODERS`), in evaluation mode, and its settings.

    Raises:
        CheckpointError: if the file is missing, damaged or of another network or modality.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND, device=device)
    if facts.get("modality") != modality:
        raise CheckpointError(
            f"checkpoint {path} holds the {facts.get('modality')} encoder, wanted {modality}"
        )
    settings = settings_from_facts(CrossModalSettings, facts.get("settings"), path)
    encoder = ENCODERS[modality](settings).to(device)
    load_weights(encoder, tensors, path)
    return encoder.eval(), settings
