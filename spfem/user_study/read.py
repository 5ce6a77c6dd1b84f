"""From answer files and the key to tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spfem.errors import InputError
from spfem.evaluation.tables import save_table
from spfem.settings.study import StudySettings
from spfem.user_study.agreement import agreement_table
from spfem.user_study.answers import read_answers, read_key
from spfem.user_study.comparisons import check_participants, lift_blinding
from spfem.user_study.preference import pair_table, preference_table


def read_study(
    answers: Sequence[Path], key: Path, out: Path, *, settings: StudySettings | None = None
) -> dict[str, pd.DataFrame]:
    """Write the tables of a study as CSV, TeX and Markdown, and return them by name.

    `preferences` and `pairs` count first answers of participants who failed no check;
    `agreement` theirs with repeats; `participants` lists all; `problems` the files left out.

    Raises:
        InputError: if the key is unreadable, or no file of answers is usable.
    """
    settings = StudySettings() if settings is None else settings
    lifted = read_key(key)
    participants, problems = read_answers(answers, lifted, settings)
    if not participants:
        found = f"; {problems[0]['file']}: {problems[0]['problem']}" if problems else ""
        raise InputError(f"no usable file of answers among {len(problems)}{found}")
    checked = check_participants(participants, lifted)
    rows = lift_blinding(participants, lifted)
    rows = rows[rows.participant.isin(checked.participant[checked.counted])]
    rows = rows.astype({"repeat": bool})
    first = rows[~rows.repeat]
    tables = {
        "preferences": preference_table(first, lifted, settings),
        "pairs": pair_table(first, lifted, settings),
        "agreement": agreement_table(rows, lifted["questions"]),
        "participants": checked,
        "problems": pd.DataFrame(problems, columns=["file", "problem"]),
    }
    for name, table in tables.items():
        save_table(table, out, name)
    return tables
