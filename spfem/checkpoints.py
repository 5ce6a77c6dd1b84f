"""Checkpoints: safetensors files of every part, and the state dicts that other projects release."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import torch
from torch import Tensor, nn

from spfem.errors import CheckpointError, SpfemError
from spfem.files import file_digest, writing

Settings = TypeVar("Settings")

NAMES_SHOWN = 5  # of entries in an error
RETIRED = {"checkpoint_steps"}  # settings that older files hold and that decided no number


def save_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], *, kind: str, facts: Mapping[str, Any]
) -> None:
    """Write `tensors` by name, whole or not at all.

    `kind` says what the file holds, `load_checkpoint` asks for it; `facts` are plain values
    (settings, provenance), stored as JSON.
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
    """Fill `module` strictly by state-dict name; `source` and `advice` are for the error.

    Raises:
        CheckpointError: naming missing, surplus and misshapen entries; the module is left alone.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    common = wanted.keys() & given.keys()
    wrong = [f"{n} {given[n]} instead of {wanted[n]}" for n in common if given[n] != wanted[n]]
    troubles = {
        "lacks": wanted.keys() - given.keys(),
        "has surplus": given.keys() - wanted.keys(),
        "misshapes": wrong,
    }
    found = [f"{what} {len(n)} entries ({_name_some(n)})" for what, n in troubles.items() if n]
    if found:
        raise CheckpointError(f"checkpoint {source} {', '.join(found)}; {advice}")
    module.load_state_dict(dict(tensors))


def _name_some(names: Any) -> str:
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


WRAPPERS = ("model", "state_dict")  # under which trainers keep the weights
PARALLEL_PREFIX = "module."  # put before each name by DataParallel


@dataclass(frozen=True)
class ReleasedFile:
    """The weights of one released file."""

    path: Path
    digest: str  # of its bytes
    tensors: dict[str, Tensor]  # by state-dict name, groups joined by dots
    dropped: tuple[str, ...]  # entries and groups that were left out

    def without(self, dead: str) -> ReleasedFile:
        """Drop the entries whose name matches the regular expression `dead`."""
        names = [name for name in self.tensors if re.fullmatch(dead, name)]
        kept = {name: value for name, value in self.tensors.items() if name not in names}
        return replace(self, tensors=kept, dropped=self.dropped + tuple(names))

    def below(self, start: str) -> ReleasedFile:
        """The entries whose name begins with `start`, without it."""
        return replace(self, tensors=tensors_below(self.tensors, start), dropped=())

    def size(self, name: str, axis: int = 0) -> int:
        """Length of one axis of an entry, from which settings are made.

        Raises:
            CheckpointError: if there is no such entry.
        """
        if name not in self.tensors or self.tensors[name].ndim <= axis:
            raise CheckpointError(
                f"{self.path} has no entry {name}, from which sizes are read; it is of another "
                "kind or damaged"
            )
        return self.tensors[name].shape[axis]

    def count(self, pattern: str) -> int:
        """One more than the largest number that `pattern` finds in a name; 0 if it finds none."""
        found = (re.fullmatch(pattern, name) for name in self.tensors)
        return 1 + max((int(match[1]) for match in found if match), default=-1)

    def provenance(self, kind: str) -> dict[str, Any]:
        """Where a checkpoint made of this file comes from, as plain values."""
        made_of = {"imported_from": self.path.name, "digest": self.digest}
        return {**made_of, "kind": kind, "dropped": list(self.dropped)}


def read_released(
    path: Path, groups: Sequence[str] = (), optional: Sequence[str] = ()
) -> ReleasedFile:
    """Read a state dict, wrapped or not, saved by `torch.save`.

    Unwraps `{"model": ..., "optimizer": ...}`, joins nested groups by dots and takes the prefix of
    DataParallel away. A pickle that names any class or function but tensors and plain containers
    is refused before it can run. Of a file with several networks beside other things, `groups`
    are taken, and those of `optional` that are there.

    Raises:
        CheckpointError: if the file is missing, damaged, no state dict, not finite, or lacks one
            of the groups.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist or is no file; give a released checkpoint")
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        raise CheckpointError(f"{path} is empty; download it again")
    if start[8:] == b"{":
        raise CheckpointError(
            f"{path} is a safetensors file, no released checkpoint; if this package wrote it, it "
            "can be loaded as it is"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise whatever the reader stumbles over
        raise CheckpointError(f"{path} {_reason(error)}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, no state dict; save `model.state_dict()`"
        )
    dropped: list[str] = []
    if missing := [name for name in groups if not isinstance(content.get(name), Mapping)]:
        raise CheckpointError(
            f"{path} lacks the networks {', '.join(missing)}; it holds "
            f"{_name_some(map(str, content)) or 'nothing'}, so it is of another kind"
        )
    if groups:
        dropped = [str(name) for name in content if name not in (*groups, *optional)]
        content = {name: content[name] for name in (*groups, *optional) if name in content}
    while not groups and not any(isinstance(value, Tensor) for value in content.values()):
        wrapper = next((n for n in WRAPPERS if isinstance(content.get(n), Mapping)), None)
        if wrapper is None:
            break
        dropped += [str(name) for name in content if name != wrapper]
        content = content[wrapper]
    tensors = _flatten(content, path)
    broken = [n for n, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{path} holds values that are not finite in {_name_some(broken)}; download it again"
        )
    return ReleasedFile(path, file_digest(path), tensors, tuple(dropped))


def _reason(error: Exception) -> str:
    """What a failed `torch.load` means for the user."""
    named = re.search(r"(?:Unsupported global: )?GLOBAL ([\w.]+)", str(error))
    if named:
        return (
            f"holds the Python object {named[1]}, which could run code; only state dicts are read: "
            "save `model.state_dict()` of it"
        )
    if isinstance(error, pickle.UnpicklingError):  # its text is about options of torch.load
        return "is no PyTorch checkpoint; give a file that `torch.save` wrote"
    first = re.split(r"[\n.]", str(error) or type(error).__name__)[0]
    return f"is no PyTorch checkpoint, or damaged ({first}); download it again"


def _flatten(group: Mapping[Any, Any], path: Path, prefix: str = "") -> dict[str, Tensor]:
    parallel = all(str(name).startswith(PARALLEL_PREFIX) for name in group)
    tensors: dict[str, Tensor] = {}
    for name, value in group.items():
        own = prefix + (str(name).removeprefix(PARALLEL_PREFIX) if parallel else str(name))
        if isinstance(value, Tensor):
            tensors[own] = value
        elif isinstance(value, Mapping):
            tensors |= _flatten(value, path, f"{own}.")
        else:
            raise CheckpointError(
                f"{path}: entry {own!r} is a {type(value).__name__} instead of a tensor; this is "
                "no state dict of a released network"
            )
    return tensors
