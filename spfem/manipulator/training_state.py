"""Training state on disk: networks, Adam moments and curve in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Adam

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, tensors_below
from spfem.errors import CheckpointError

STATE_KIND = "manipulator training state"

Rows = list[dict[str, float]]


def save_state(
    path: Path, module: nn.Module, optimisers: Mapping[str, Adam], *, step: int, rows: Rows
) -> None:
    """Write everything that resuming after `step` steps needs to `path`, whole or not at all."""
    tensors = {f"module/{name}": tensor for name, tensor in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            for key, value in moments.items():
                tensors[f"adam/{name}/{index}/{key}"] = value
    # Lists, since a checkpoint does not keep the order of names.
    facts = {
        "step": step,
        "columns": list(rows[0]),
        "rows": [list(row.values()) for row in rows],
    }
    save_checkpoint(path, tensors, kind=STATE_KIND, facts=facts)


def load_state(path: Path, module: nn.Module, optimisers: Mapping[str, Adam]) -> tuple[int, Rows]:
    """Restore `module` and `optimisers` from `path`; return the steps done and the curve.

    Raises:
        CheckpointError: if the file is damaged or of another training.
    """
    tensors, facts = load_checkpoint(path, kind=STATE_KIND)
    load_weights(module, tensors_below(tensors, "module/"), path, advice="train again")
    try:
        for name, optimiser in optimisers.items():
            _restore_moments(optimiser, tensors_below(tensors, f"adam/{name}/"))
        columns = facts["columns"]
        rows = [dict(zip(columns, values, strict=True)) for values in facts["rows"]]
        return int(facts["step"]), rows
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} is damaged or of another training ({reason}); remove it and train again"
        ) from error


def _restore_moments(optimiser: Adam, tensors: Mapping[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split("/")
        moments.setdefault(int(index), {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
