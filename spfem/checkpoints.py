"""Checkpoints of every part: safetensors files with settings and provenance in their metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import torch
from torch import Tensor, nn

from spfem.artifacts import writing
from spfem.errors import CheckpointError, SpfemError

Settings = TypeVar("Settings")

NAMES_SHOWN = 5  # of entries in an error
RETIRED = {"checkpoint_steps"}  # settings that older files hold and that decided no number


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
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"kind": kind, "facts": json.dumps(facts, sort_keys=True)}
    with writing(path) as aside:
        aside.write_bytes(_with_sorted_header(save(whole, metadata=metadata)))


def _with_sorted_header(content: bytes) -> bytes:
    """The same file with the names of its header in order: safetensors shuffles its metadata."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    padded = header + b" " * (-len(header) % 8)
    return len(padded).to_bytes(8, "little") + padded + content[end:]


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
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"checkpoint {path} is damaged or no safetensors file ({reason}); make it again, or "
            "read a released file with `python -m spfem import-checkpoint`"
        ) from error
    found = metadata.get("kind", "unknown")
    if found != kind:
        raise CheckpointError(f"checkpoint {path} holds {found!r}, wanted {kind!r}")
    try:
        return tensors, json.loads(metadata["facts"])
    except (KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint {path} lost its settings; make it again") from error


def load_weights(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    source: Path | str,
    *,
    advice: str = "its settings and its weights do not belong together",
) -> None:
    """Fill `module` strictly.

    Args:
        module: to fill; left alone on an error.
        tensors: by state-dict name.
        source: file or name for the error.
        advice: end of the error.

    Raises:
        CheckpointError: naming missing, surplus and misshapen entries.
    """
    expected = module.state_dict()
    common = set(expected) & set(tensors)
    misshapen = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in common
        if expected[name].shape != tensors[name].shape
    ]
    troubles = {
        "lacks": set(expected) - set(tensors),
        "has surplus": set(tensors) - set(expected),
        "misshapes": misshapen,
    }
    found = [
        f"{trouble} {len(names)} entries ({name_some(names)})"
        for trouble, names in troubles.items()
        if names
    ]
    if found:
        raise CheckpointError(f"checkpoint {source} {', '.join(found)}; {advice}")
    module.load_state_dict(dict(tensors))


def name_some(names: Any) -> str:
    """The first few of `names` in order, for an error."""
    ordered = sorted(names)
    return ", ".join(ordered[:NAMES_SHOWN]) + (" ..." if len(ordered) > NAMES_SHOWN else "")


def settings_from_facts(kind: type[Settings], plain: Any, path: Path | str) -> Settings:
    """Rebuild a settings dataclass from its JSON form: lists become tuples, mappings dataclasses.

    Raises:
        CheckpointError: if the entries are not those of the dataclass.
    """
    try:
        return _rebuild(kind, plain)
    except (TypeError, ValueError, AttributeError, SpfemError) as error:
        raise CheckpointError(f"checkpoint {path} holds unusable settings: {error}") from error


def _rebuild(kind: Any, plain: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type) and not isinstance(plain, kind):
        hints = get_type_hints(kind)
        kept = {name: value for name, value in plain.items() if name not in RETIRED}
        return kind(**{name: _rebuild(hints.get(name), value) for name, value in kept.items()})
    return tuple(_rebuild(None, item) for item in plain) if isinstance(plain, list) else plain


def tensors_below(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    """Entries whose name begins with `start`, without it."""
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
