"""Files written aside and renamed, digests, locks between processes, progress, the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from spfem.errors import ArtifactError, InputError

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

    The lock ends with the process that holds it, so a killed job blocks nobody. Locks of another
    `kind` are apart; `notice` is printed if another process is in its block, which is waited for.
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


def remove_half_written(folder: Path) -> None:
    """Remove what killed jobs left aside in a folder in which no other job writes any more."""
    for path in folder.rglob(".*.part*"):
        path.unlink(missing_ok=True)


def _is_half_written(path: Path) -> bool:
    return path.name.startswith(".") and ".part" in path.name


Item = TypeVar("Item")


def show_frames(frames: Iterable[Item], text: str, total: int | None) -> Iterator[Item]:
    """Yield `frames` under a progress bar; `total` is None where the file does not say it."""
    from tqdm.auto import tqdm  # not of the light install

    # The tracker silences the C libraries' standard error: the bar keeps a copy of its own, made
    # when this is called and not when the first frame is taken.
    terminal = os.dup(2)

    def shown() -> Iterator[Item]:
        with os.fdopen(terminal, "w") as file:
            yield from tqdm(frames, desc=text, total=total, file=file, unit="frame")

    return shown()


def project_folder() -> Path:
    """The checkout; if the package is installed elsewhere, the current folder or the one above.

    Notebooks run in `notebooks/`, so the checkout may be the folder above. Where none of these
    holds notebooks, it is the current folder.
    """
    here = Path.cwd()
    for folder in (Path(__file__).resolve().parent.parent, here, here.parent):
        if (folder / "notebooks").is_dir():
            return folder
    return here


def use_studies(what: str) -> None:
    """Let `studies`, which lie beside the notebooks, be imported.

    Raises:
        InputError: where there is no checkout; `what` needs one.
    """
    notebooks = project_folder() / "notebooks"
    if not (notebooks / "studies").is_dir():
        raise InputError(
            f"{what} needs a checkout of spfem, and {notebooks} has none; run it there"
        )
    sys.path.append(str(notebooks))
