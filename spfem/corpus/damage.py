"""What is wrong with a file of a corpus: the one form in which every stage reports it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class DamagedClip:
    """A file or clip that something is wrong with.

    Attributes:
        path: of the file, relative to the corpus, or the key of the clip.
        reason: the kind of damage in a few words, the same for every file of that kind.
        details: what was found and what to do.
        used: whether the clip is used all the same.
    """

    path: str
    reason: str
    details: str = ""
    used: bool = False


def damage_rows(damaged: Iterable[DamagedClip]) -> list[dict[str, Any]]:
    """Plain rows for a table or a JSON file, in the order of the paths."""
    return [asdict(one) for one in sorted(damaged, key=lambda one: (one.path, one.reason))]


def read_damage(rows: Iterable[Mapping[str, Any]]) -> tuple[DamagedClip, ...]:
    """The inverse of `damage_rows`."""
    return tuple(DamagedClip(**row) for row in rows)
