"""Progress bars of an edit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm.auto import tqdm

Item = TypeVar("Item")


def show_frames(frames: Iterable[Item], text: str, total: int | None) -> Iterator[Item]:
    """Yield `frames` under a progress bar; `total` is None where the file does not say it."""
    # The tracker silences the C libraries' standard error: the bar keeps a copy of its own.
    return _shown(frames, text, total, os.dup(2))


def _shown(frames: Iterable[Item], text: str, total: int | None, terminal: int) -> Iterator[Item]:
    with os.fdopen(terminal, "w") as file:
        yield from tqdm(frames, desc=text, total=total, file=file, unit="frame")
