"""Training state on disk: networks, Adam moments and curve in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.optim import Adam

from spfem.artifacts import writing
from spfem.errors import CheckpointError

Rows = list[dict[str, float]]


def save_state(
    path: Path, module: nn.Module, optimisers: Mapping[str, Adam], *, step: int, rows: Rows
) -> None:
    """Write everything that resuming after `step` steps needs to `path`, whole or not at all."""
    from safetensors.torch import save_file

    tensors = {f"module/{name}": tensor for name, tensor in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            for key, value in moments.items():
                tensors[f"adam/{name}/{index}/{key}"] = value
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with writing(path) as aside:
        save_file(tensors, aside, metadata={"step": str(step), "rows": json.dumps(rows)})


def load_state(path: Path, module: nn.Module, optimisers: Mapping[str, Adam]) -> tuple[int, Rows]:
    """Restore `module` and `optimisers` from `path`; return the steps done and the curve.

    Raises:
        CheckpointError: if the file is damaged or of another training.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        module.load_state_dict(
            {
                name.removeprefix("module/"): tensor
                for name, tensor in tensors.items()
                if name.startswith("module/")
            }
        )
        for name, optimiser in optimisers.items():
            _restore_moments(optimiser, f"adam/{name}/", tensors)
        return int(metadata["step"]), json.loads(metadata["rows"])
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} is damaged or of another training ({reason}); remove it and train again"
        ) from error


def _restore_moments(optimiser: Adam, prefix: str, tensors: Mapping[str, torch.Tensor]) -> None:
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            index, key = name.removeprefix(prefix).split("/")
            moments.setdefault(int(index), {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
