"""The stage that measures the audio banks of actors, one file an actor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spfem.artifacts import file_digest
from spfem.correlation.crossmodal.bank import AudioBank, make_bank
from spfem.correlation.crossmodal.learn import Signals
from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.samples import tabulate_frames
from spfem.errors import ArtifactError
from spfem.opened_stages import open_stage


def measure_banks(
    checkpoint: Path,
    signals: Signals,
    clips: Mapping[str, tuple[str, ...]],
    folder: Path,
    window_frames: int,
    *,
    inputs: Mapping[str, str],
    device: torch.device | str = "cpu",
    force: bool = False,
) -> dict[str, AudioBank]:
    """Measure the audio bank of each actor, unless `folder` holds it already.

    Args:
        checkpoint: of the metric.
        signals: of each clip; must offer what the windows are made of (sound, and expressions or
            images, whose length decides how many windows there are).
        clips: actor to the keys of the clips that may be retrieved.
        folder: stage folder; receives one file an actor.
        window_frames: length of a window.
        inputs: digests of what the signals come from.
        device: where to compute.
        force: measure again even if nothing changed.

    Returns:
        The banks by actor.

    Raises:
        ArtifactError: if `folder` holds a bank of another metric.
    """
    plain: dict[str, Any] = {actor: list(keys) for actor, keys in clips.items()}
    stage = open_stage(
        folder,
        "audio banks",
        settings={"window_frames": window_frames, "clips": plain},
        inputs={**inputs, "metric": file_digest(checkpoint)},
        code=(measure_banks, signals),
        force=force,
    )
    model = CrossModalCoherence.load(checkpoint, device=device)
    banks = {}
    for actor, keys in clips.items():
        path = folder / f"{actor}.npz"
        if not path.exists():
            offered = {key: signals(key, ("audio", model.visual)) for key in keys}
            table = tabulate_frames(offered, model.settings)
            make_bank(model, table, actor, window_frames, stage.digest).save(path)
        banks[actor] = AudioBank.load(path)
        if banks[actor].digest != stage.digest:
            raise ArtifactError(f"{path} belongs to another metric; run again with --force")
    if not stage.complete:
        stage.finish(windows=sum(len(bank.clip) for bank in banks.values()))
    return banks
