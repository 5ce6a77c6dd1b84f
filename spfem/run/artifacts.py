"""What a stage made, from what, with which settings: stage folders with a digest.

A stage writes item files (each whole: written aside, then renamed) into its folder and finishes
with `Stage.finish`. A later run with the same digest reuses the folder, complete or not; a run
with another digest starts the folder anew.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spfem.errors import ArtifactError
from spfem.files import STATE_NAME, _is_half_written, _plain, digest, write_json
from spfem.run.deciding_code import MadeBy, code_digest

RECORD_NAME = "artifact.json"
MANIPULATOR_NAME = "manipulator.safetensors"  # in the folder of its stage, where edits look for it


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
    keep_items: bool = False,
) -> Stage:
    """Open a stage folder for making or reuse.

    Args:
        folder: where the stage keeps its files.
        name: of the stage, as in `timings.csv`.
        settings: dataclass or plain value that decides the output.
        inputs: digests of what the stage reads.
        code: functions that make the output, and classes of objects that they are given: the
            stage is remade when code that they reach changes, see `spfem.run.deciding_code`.
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
        if record.get("digest") == wanted:
            return Stage(folder, name, wanted, record)
        if not (keep_items and {**(record.get("key") or {}), "inputs": key["inputs"]} == key):
            _empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = {"digest": wanted, "key": key, "complete": False, "seconds": 0.0, "facts": {}}
    write_json(record_path, record)
    return Stage(folder, name, wanted, record)


def _empty(folder: Path) -> None:
    """Remove everything from a stage folder; the record goes last, in case this is killed."""
    write_json(folder / RECORD_NAME, {"digest": None})
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != RECORD_NAME:
            path.unlink()
