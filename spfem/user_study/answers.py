"""Answer files of participants: read, checked, refused with a reason."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spfem.errors import InputError
from spfem.media.names import is_ignored, suffix_of
from spfem.settings.study import StudySettings
from spfem.spreadsheet import parse_rows, read_text

FORMAT = "spfem user study answers 1"
PARTICIPANT = re.compile(r"[0-9a-f]{12}")
SIDES = ("left", "right")
LONGEST_SECONDS = 1e8  # a page may stay open for months; beyond it, damage


@dataclass(frozen=True)
class Answer:
    """What one participant chose in one comparison.

    Attributes:
        trial: blinded name of the comparison.
        repeat: whether it was shown before.
        chosen: blinded name of the chosen video by question; empty if skipped.
        seconds: it took.
    """

    trial: str
    repeat: bool
    chosen: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Participant:
    """One readable file of answers."""

    name: str
    file: str
    finished: bool
    answers: tuple[Answer, ...]


def read_answers(
    paths: Sequence[Path], key: Mapping[str, Any], settings: StudySettings
) -> tuple[list[Participant], list[dict[str, str]]]:
    """The participants of readable files, and file and problem of all others.

    A file with anything wrong in it is left out as a whole: a half-true file is not evidence. A
    second file of a participant is left out too.

    Args:
        paths: JSON or CSV files that the page saved, or folders of them.
        key: of the study, from `read_key`.
        settings: for the size of the largest file.
    """
    participants: dict[str, Participant] = {}
    problems = []
    for path in _files(paths):
        try:
            one = _participant(path, key, settings)
            if one.name in participants:
                raise InputError(f"a second file of participant {one.name}")
            participants[one.name] = one
        except (InputError, OSError) as error:
            problems.append({"file": str(path), "problem": str(error)})
    return list(participants.values()), problems


def read_key(path: Path) -> dict[str, Any]:
    """The key of a study.

    Raises:
        InputError: if it is missing, damaged, or something else.
    """
    try:
        key = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read; give the key.json of the study") from error
    except ValueError as error:
        raise InputError(f"{path} is no key of a study: {error}") from error
    if not isinstance(key, dict) or not {"study", "methods", "questions", "trials"} <= set(key):
        raise InputError(f"{path} is no key of a study; give the key.json beside the page")
    return key


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [one for one in sorted(path.iterdir()) if not is_ignored(one.name)]
        for suffix in (".json", ".csv"):
            found += [one for one in inside if suffix_of(one.name) == suffix]
    return found


def _participant(path: Path, key: Mapping[str, Any], settings: StudySettings) -> Participant:
    if not path.is_file():
        raise InputError("there is no such file")
    if path.stat().st_size > settings.largest_file_bytes:
        raise InputError(f"larger than {settings.largest_file_bytes} bytes")
    try:
        text = read_text(path)
        record = _from_csv(text) if suffix_of(path.name) == ".csv" else json.loads(text)
    except (ValueError, KeyError, RecursionError, csv.Error) as error:
        raise InputError(f"not readable ({type(error).__name__})") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError("not a file of answers that the page saved")
    if record.get("study") != key["study"]:
        raise InputError(f"answers to another study ({str(record.get('study'))[:20]!r})")
    name, rows = record.get("participant"), record.get("answers")
    if not isinstance(name, str) or not PARTICIPANT.fullmatch(name):
        raise InputError("the participant's number is damaged")
    if not isinstance(record.get("consent"), str) or not record["consent"]:
        raise InputError("no consent is recorded")
    if not isinstance(rows, list):
        raise InputError("the list of answers is damaged")
    answers = tuple(_answer(row, key) for row in rows)
    shown = [(answer.trial, answer.repeat) for answer in answers]
    if len(set(shown)) < len(shown):
        raise InputError("a comparison is answered twice")
    return Participant(name, path.name, bool(record.get("finished")), answers)


def _answer(row: Any, key: Mapping[str, Any]) -> Answer:
    if not isinstance(row, dict) or not isinstance(row.get("choices"), dict):
        raise InputError("an answer is damaged")
    name = row.get("trial")
    trial = key["trials"].get(name) if isinstance(name, str) else None
    if trial is None:
        raise InputError(f"comparison {str(name)[:20]!r} is not of this study")
    sides = [row.get(side) for side in SIDES]
    if any(not isinstance(side, str) for side in sides) or set(sides) != set(trial["videos"]):
        raise InputError(f"comparison {name} has other videos than the key")
    chosen = {}
    for question, side in row["choices"].items():
        if question not in key["questions"] or side not in SIDES:
            raise InputError(f"comparison {name} has an answer that the page cannot give")
        chosen[question] = row[side]
    seconds, repeat = row.get("seconds"), row.get("repeat")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = math.nan
    if not isinstance(repeat, bool) or not 0 <= seconds <= LONGEST_SECONDS:
        raise InputError(f"comparison {name} has a damaged time or mark of repetition")
    return Answer(str(name), repeat, chosen, float(seconds))


def _from_csv(text: str) -> dict[str, Any]:
    """The record of the JSON twin; skipped comparisons leave no row."""
    record: dict[str, Any] = {"answers": []}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in parse_rows(text, strict=True):
        for name in ("format", "study", "participant", "consent", "finished"):
            if record.setdefault(name, row[name]) != row[name]:
                raise InputError(f"rows of different {name} in one file")
        answer = found.setdefault((row["trial"], row["repeat"]), {**row, "choices": {}})
        if row["question"] in answer["choices"]:
            raise InputError("a question is answered twice")
        answer["choices"][row["question"]] = row["choice"]
        answer["seconds"] = float(row["seconds"].replace(",", "."))  # as some countries write it
    for answer in found.values():
        answer["repeat"] = {"true": True, "false": False}[answer["repeat"].lower()]
        record["answers"].append(answer)
    return record
