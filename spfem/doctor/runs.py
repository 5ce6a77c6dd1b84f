"""Corpora of recordings and finished runs below the data folder."""

from __future__ import annotations

import json
from pathlib import Path

from spfem.artifacts import RECORD_NAME
from spfem.doctor.machine import Fact
from spfem.manipulator.stage import CHECKPOINT_NAME as MANIPULATOR_NAME
from spfem.scales import SCALES

RECORDINGS = {
    "mead": "by the form of https://wywu.github.io/projects/MEAD/MEAD.html",
    "ravdess": "https://zenodo.org/records/1188976 (CC BY-NC-SA 4.0)",
}


def corpus_facts(data: Path) -> list[Fact]:
    """Whether the recordings that `--corpus` can use are there, and how many."""
    facts = []
    for name, source in RECORDINGS.items():
        folder = data / name
        if folder.is_dir():
            videos = sum(1 for _ in folder.rglob("*.mp4"))
            people = sum(1 for child in folder.iterdir() if child.is_dir())
            facts.append(Fact(name, f"{videos} videos of {people} people in {folder}"))
        else:
            facts.append(Fact(name, f"not in {folder}; {source}"))
    return facts


def run_facts(data: Path) -> list[Fact]:
    """Each run that was begun, its finished stages, and whether `edit` can use it."""
    facts = []
    names = (folder.name for scale in SCALES for folder in data.glob(f"*-{scale}"))
    for name in sorted(names):
        records = sorted((data / name).rglob(RECORD_NAME))
        if not records:
            continue
        finished = sum(_is_complete(record) for record in records)
        models = list((data / name / "manipulator").glob(f"*/seed*/{MANIPULATOR_NAME}"))
        ready = bool(models) and any((data / name / "renderer" / "base").glob("seed*/*"))
        facts.append(
            Fact(
                name,
                f"{finished} of {len(records)} stages finished"
                + (", ready for edit" if ready else ""),
            )
        )
    return facts or [Fact("none yet", "bash run_all.sh makes one")]


def _is_complete(record: Path) -> bool:
    try:
        return bool(json.loads(record.read_text(encoding="utf-8"))["complete"])
    except (ValueError, KeyError, OSError):
        return False
