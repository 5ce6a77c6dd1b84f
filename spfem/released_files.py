"""Files of the released code: PyTorch state dicts, read without running anything they contain."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spfem.artifacts import file_digest
from spfem.checkpoints import name_some, tensors_below
from spfem.errors import CheckpointError

WRAPPERS = ("model", "state_dict")  # under which trainers keep the weights
PARALLEL_PREFIX = "module."  # put before each name by DataParallel


@dataclass(frozen=True)
class ReleasedFile:
    """The weights of one released file.

    Attributes:
        path: where it was read.
        digest: of its bytes.
        tensors: by state-dict name, groups joined by dots.
        dropped: entries and groups that were left out.
    """

    path: Path
    digest: str
    tensors: dict[str, Tensor]
    dropped: tuple[str, ...]

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
        return {
            "imported_from": self.path.name,
            "digest": self.digest,
            "kind": kind,
            "dropped": list(self.dropped),
        }


def read_released(
    path: Path, groups: Sequence[str] = (), optional: Sequence[str] = ()
) -> ReleasedFile:
    """Read a state dict, wrapped or not, saved by `torch.save`.

    Unwraps `{"model": ..., "optimizer": ...}`, joins nested groups by dots and takes the prefix of
    DataParallel away. Only tensors and plain containers are read: a pickle that names any other
    class or function is refused before it can run.

    Args:
        path: of the file.
        groups: networks to take from a file that holds several beside other things; none for a
            file of weights only. Everything else in the file is left out.
        optional: networks to take too where the file holds them.

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
    inner, dropped = _choose(content, groups, optional, path) if groups else _unwrap(content)
    tensors = _flatten(inner, path)
    broken = [n for n, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{path} holds values that are not finite in {name_some(broken)}; download it again"
        )
    return ReleasedFile(path, file_digest(path), tensors, dropped)


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


def _unwrap(content: Mapping[Any, Any]) -> tuple[Mapping[Any, Any], tuple[str, ...]]:
    dropped: list[str] = []
    while not any(isinstance(value, Tensor) for value in content.values()):
        wrapper = next((n for n in WRAPPERS if isinstance(content.get(n), Mapping)), None)
        if wrapper is None:
            break
        dropped += [str(name) for name in content if name != wrapper]
        content = content[wrapper]
    return content, tuple(dropped)


def _choose(
    content: Mapping[Any, Any], groups: Sequence[str], optional: Sequence[str], path: Path
) -> tuple[Mapping[Any, Any], tuple[str, ...]]:
    missing = [group for group in groups if not isinstance(content.get(group), Mapping)]
    if missing:
        raise CheckpointError(
            f"{path} lacks the networks {', '.join(missing)}; it holds "
            f"{name_some(map(str, content)) or 'nothing'}, so it is of another kind"
        )
    chosen = {name: content[name] for name in (*groups, *optional) if name in content}
    return chosen, tuple(str(name) for name in content if name not in chosen)


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
