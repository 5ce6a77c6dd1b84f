"""Checkpoints: safetensors files with settings and provenance in their metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from spfem.artifacts import writing
from spfem.errors import CheckpointError, SpfemError

Settings = TypeVar("Settings")


def settings_from_facts(kind: type[Settings], plain: Mapping[str, Any], path: Path) -> Settings:
    """Rebuild a settings dataclass from its JSON form (lists become tuples).

    Raises:
        CheckpointError: if the entries are not those of the dataclass.
    """
    values = {key: tuple(item) if isinstance(item, list) else item for key, item in plain.items()}
    try:
        return kind(**values)
    except (TypeError, SpfemError) as error:
        raise CheckpointError(f"checkpoint {path} holds unusable settings: {error}") from error


def save_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], *, kind: str, facts: Mapping[str, Any]
) -> None:
    """Write `tensors` whole or not at all.

    Args:
        path: file to write.
        tensors: by name.
        kind: what the file holds; `load_checkpoint` asks for it.
        facts: plain values (settings, provenance) stored as JSON.
    """
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"kind": kind, "facts": json.dumps(facts, sort_keys=True)}
    with writing(path) as aside:
        save_file(whole, str(aside), metadata=metadata)


def load_checkpoint(
    path: Path | str, *, kind: str, device: torch.device | str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and facts that `save_checkpoint` wrote.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; run the stage that makes it")
    try:
        with safe_open(str(path), framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged ({error}); make it again") from error
    found = metadata.get("kind", "unknown")
    if found != kind:
        raise CheckpointError(f"checkpoint {path} holds {found!r}, wanted {kind!r}")
    return tensors, json.loads(metadata["facts"])


def load_weights(module: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path | str) -> None:
    """Fill `module` strictly.

    Raises:
        CheckpointError: naming missing, surplus and misshapen entries.
    """
    expected = module.state_dict()
    missing = sorted(set(expected) - set(tensors))
    surplus = sorted(set(tensors) - set(expected))
    misshapen = sorted(
        name for name in set(expected) & set(tensors) if expected[name].shape != tensors[name].shape
    )
    for trouble, names in (("lacks", missing), ("has surplus", surplus), ("misshapes", misshapen)):
        if names:
            shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
            raise CheckpointError(
                f"checkpoint {path} {trouble} {len(names)} entries ({shown}); "
                "its settings and its weights do not belong together"
            )
    module.load_state_dict(dict(tensors))
