"""The state of a learning run on disk, so that a killed run continues where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint

STATE_NAME = "state.safetensors"
STATE_KIND = "correlation learning state"


def save_state(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    curve: list[dict[str, Any]],
) -> None:
    """Write weights, optimiser moments, the number of finished steps and the curve."""
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimiser.{number}.{name}"] = torch.as_tensor(value)
    save_checkpoint(path, tensors, kind=STATE_KIND, facts={"step": step, "curve": curve})


def load_state(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, list[dict[str, Any]]]:
    """Restore what `save_state` wrote; return the number of finished steps and the curve.

    Raises:
        CheckpointError: if the file is damaged or belongs to another network.
    """
    tensors, facts = load_checkpoint(path, kind=STATE_KIND)
    load_weights(
        model,
        {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")},
        path,
    )
    state = optimiser.state_dict()
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".", 2)
            state["state"].setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(state)
    return int(facts["step"]), facts["curve"]
