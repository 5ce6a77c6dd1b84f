"""What a stage made, from what, with which settings: stage folders with a digest.

A stage writes item files (each whole: written aside, then renamed) into its folder and finishes
with `Stage.finish`. A later run with the same digest reuses the folder, complete or not; a run
with another digest starts the folder anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from spfem.artifact_code import MadeBy, code_digest
from spfem.errors import ArtifactError

RECORD_NAME = "artifact.json"
STATE_NAME = "training_state.safetensors"  # of what a stage learns, until it is finished


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: _plain(asdict(value))}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    raise ArtifactError(f"a value of type {type(value).__name__} cannot be part of a digest")


def digest(value: Any) -> str:
    """Digest (16 hex digits) of nested dataclasses, mappings, sequences and plain values.

    Example:
        >>> digest({"steps": 5, "rate": 0.1}) == digest({"rate": 0.1, "steps": 5})
        True
    """
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Digest (16 hex digits) of the bytes of one file."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()[:16]


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed to `path` only if the block succeeds.

    The temporary name keeps the suffix of `path`, which writers use to choose a format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unique among all machines that share the folder.
    aside = path.with_name(f".{path.stem}.{uuid4().hex}.part{path.suffix}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    with writing(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@contextmanager
def alone(folder: Path, *, kind: str = "lock", notice: str = "") -> Iterator[None]:
    """Keep other processes, also of machines that share the disk, out of a block about `folder`.

    The lock ends with the process that holds it, so a killed job blocks nobody.

    Args:
        folder: that the block is about.
        kind: of the lock; `lock` is for short blocks that open or finish a stage on which several
            jobs work at once.
        notice: printed if another process is in its block, which is waited for.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where no cluster runs
        yield
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.{kind}").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if notice:
                print(notice, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass
class Stage:
    """One stage folder that is being made or reused."""

    folder: Path
    name: str
    digest: str
    record: dict[str, Any]
    started: float = field(default_factory=time.perf_counter)

    @property
    def complete(self) -> bool:
        """Whether an earlier run (or this one) finished the stage."""
        return bool(self.record["complete"])

    @property
    def seconds(self) -> float:
        """Wall time spent on the stage, summed over resumed runs."""
        return float(self.record["seconds"])

    def pause(self) -> None:
        """Add the time since the start to the record, without marking the stage complete."""
        import torch

        now = time.perf_counter()
        self.record["seconds"] = self.seconds + now - self.started
        self.record["threads"] = torch.get_num_threads()
        self.started = now
        write_json(self.folder / RECORD_NAME, self.record)

    def finish(self, **facts: Any) -> None:
        """Mark the stage complete and store `facts` (plain values) about it."""
        self.record["facts"] = _plain(facts)
        self.record["complete"] = True
        self.pause()
        (self.folder / STATE_NAME).unlink(missing_ok=True)


def open_stage(
    folder: Path,
    name: str,
    *,
    settings: Any,
    inputs: Mapping[str, str],
    code: Sequence[MadeBy],
    force: bool = False,
    keep_items: bool = False,
) -> Stage:
    """Open a stage folder for making or reuse.

    Args:
        folder: where the stage keeps its files.
        name: of the stage, as in `timings.csv`.
        settings: dataclass or plain value that decides the output.
        inputs: digests of what the stage reads.
        code: functions that make the output, and classes of objects that they are given: the
            stage is remade when code that they reach changes, see `spfem.artifact_code`.
        force: start anew even if the digest matches.
        keep_items: leave the files of the folder where only `inputs` differ, for a stage that
            itself tells which of them are still good.

    Raises:
        ArtifactError: if `folder` holds files that no stage made.
    """
    key = {
        "stage": name,
        "settings": _plain(settings),
        "inputs": dict(inputs),
        "code": code_digest(*code),
    }
    wanted = digest(key)
    record_path = folder / RECORD_NAME
    if folder.exists() and any(not _is_half_written(path) for path in folder.iterdir()):
        if not record_path.exists():
            raise ArtifactError(
                f"{folder} holds files that no stage of spfem made; move them away or choose "
                "another --data folder"
            )
        try:
            record = json.loads(record_path.read_text(encoding="utf-8"))
        except ValueError:
            record = {"digest": None}
        if record.get("digest") == wanted and not force:
            return Stage(folder, name, wanted, record)
        kept = keep_items and not force
        if not (kept and {**(record.get("key") or {}), "inputs": key["inputs"]} == key):
            _empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = {"digest": wanted, "key": key, "complete": False, "seconds": 0.0, "facts": {}}
    write_json(record_path, record)
    return Stage(folder, name, wanted, record)


def remove_half_written(folder: Path) -> None:
    """Remove what killed jobs left aside in a folder in which no other job writes any more."""
    for path in folder.rglob(".*.part*"):
        path.unlink(missing_ok=True)


def _is_half_written(path: Path) -> bool:
    return path.name.startswith(".") and ".part" in path.name


def _empty(folder: Path) -> None:
    """Remove everything from a stage folder; the record goes last, in case this is killed."""
    write_json(folder / RECORD_NAME, {"digest": None})
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != RECORD_NAME:
            path.unlink()
