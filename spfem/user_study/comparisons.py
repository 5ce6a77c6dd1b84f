"""Answers with the blinding lifted: one row for each question of each comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from spfem.user_study.answers import Participant
from spfem.user_study.design import REALISM

COLUMNS = ["participant", "trial", "clip", "question", "winner", "loser", "repeat"]


def lift_blinding(participants: Sequence[Participant], key: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of `COLUMNS` of all comparisons but the checks."""
    rows = []
    for one in participants:
        for answer in one.answers:
            trial = key["trials"][answer.trial]
            if "expected" in trial:
                continue
            for question, video in answer.chosen.items():
                loser = next(name for name in trial["videos"] if name != video)
                who = one.name, answer.trial, trial["clip"], question
                both = trial["videos"][video], trial["videos"][loser]
                rows.append((*who, *both, answer.repeat))
    return pd.DataFrame(rows, columns=COLUMNS)


def check_participants(participants: Sequence[Participant], key: Mapping[str, Any]) -> pd.DataFrame:
    """One row a participant: how much was answered, and which checks failed.

    A check fails when the spoilt video is called more real; who fails one is left out.
    """
    rows = []
    for one in participants:
        checks = [
            answer.chosen[REALISM] == key["trials"][answer.trial]["expected"]
            for answer in one.answers
            if "expected" in key["trials"][answer.trial] and REALISM in answer.chosen
        ]
        seconds = [answer.seconds for answer in one.answers]
        rows.append(
            {
                "participant": one.name,
                "file": one.file,
                "answers": len(one.answers),
                "skipped": sum(not answer.chosen for answer in one.answers),
                "finished": one.finished,
                "median_seconds": float(pd.Series(seconds, dtype=float).median()),
                "checks": len(checks),
                "checks_failed": checks.count(False),
                "counted": False not in checks,
            }
        )
    names = ["participant", "file", "answers", "skipped", "finished", "median_seconds", "checks"]
    return pd.DataFrame(rows, columns=[*names, "checks_failed", "counted"])
