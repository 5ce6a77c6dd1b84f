"""A job that ends its own process; apart, so that a new process imports little to run it."""

from __future__ import annotations

import os
import signal


def die_on_the_last(job) -> str:
    """In place of tracking: an empty file a clip, and the third ends the process."""
    clip, path, _ = job
    if clip.number == "003":
        os.kill(os.getpid(), signal.SIGKILL)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return ""


def prepare_nothing() -> None:
    """In place of the import of large libraries in each process."""
