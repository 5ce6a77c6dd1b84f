"""Clips that the face stage could not use: which, why, and whether the file changed since."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from spfem.artifacts import writing
from spfem.corpus.clips import Clip

DAMAGED_NAME = "damaged.csv"


@dataclass(frozen=True)
class UntrackedClip:
    """One row of `damaged.csv`.

    Attributes:
        clip: key.
        reason: what was found.
        video: the file.
        state: of the files when they were looked at, see `file_state`.
    """

    clip: str
    reason: str
    video: str
    state: str


def file_state(clip: Clip) -> str:
    """Sizes and times of the files of a clip; another text after they were replaced."""
    states = []
    for path in (clip.video, clip.audio):
        try:
            facts = path.stat()
        except OSError:
            states.append("missing")
        else:
            states.append(f"{facts.st_size}/{facts.st_mtime_ns}/{facts.st_mode & 0o777:o}")
    return " ".join(states)


def note_damage(clip: Clip, reason: str) -> UntrackedClip:
    """The row of a clip as it is now."""
    return UntrackedClip(clip.key, reason, str(clip.video), file_state(clip))


def write_damaged(folder: Path, rows: Iterable[UntrackedClip]) -> None:
    """Write `damaged.csv`, sorted by clip, whole or not at all."""
    with (
        writing(folder / DAMAGED_NAME) as aside,
        aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        table = csv.DictWriter(file, [each.name for each in fields(UntrackedClip)])
        table.writeheader()
        table.writerows(asdict(row) for row in sorted(rows, key=lambda row: row.clip))


def read_damaged(folder: Path) -> Mapping[str, UntrackedClip]:
    """Rows of `damaged.csv` by clip key; none if there is no such file."""
    path = folder / DAMAGED_NAME
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return {row["clip"]: UntrackedClip(**row) for row in csv.DictReader(file)}
