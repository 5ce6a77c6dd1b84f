"""Free disk against what a run at each scale leaves behind, and the memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from spfem.doctor.machine import Fact

RUN_GB: Mapping[str, float] = {"smoke": 0.3, "demo": 1.1, "full": 2.9}
"""Measured: what a finished run on the embedded corpus keeps, with its ablations; rounded up."""

DEFAULT_SCALE = "demo"
SPARE_GB = 0.5  # for files that are written aside before they replace others


def disk_facts(data: Path) -> list[Fact]:
    """Memory, free disk where `data` is or will be, and what each scale still needs of it.

    Only a default run that does not fit is a trouble.
    """
    existing = data.resolve()
    while not existing.exists():
        existing = existing.parent
    free_gb = shutil.disk_usage(existing).free / 1e9
    facts = [
        Fact("memory", _memory_in_words()),
        Fact("free disk", f"{free_gb:.1f} GB at {existing}"),
    ]
    for scale, run_gb in RUN_GB.items():
        there_gb = _size_gb(data / f"synthetic-{scale}")
        wanted_gb = max(run_gb - there_gb, 0.0)
        fits = free_gb >= wanted_gb + SPARE_GB
        found = f"{run_gb:.1f} GB in all, {there_gb:.1f} GB of it there: "
        found += "fits" if fits else f"does not fit, {wanted_gb + SPARE_GB:.1f} GB are needed"
        trouble = ""
        if not fits and scale == DEFAULT_SCALE:
            trouble = (
                f"{wanted_gb + SPARE_GB:.1f} GB are needed at {existing}; free some, or name "
                "another disk with --data"
            )
        facts.append(Fact(f"a {scale} run", found, trouble))
    return facts


def _size_gb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


def _memory_in_words() -> str:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return "unknown on this system"
    return f"{size / 1e9:.1f} GB"
