"""Answers of participants: read, checked, and turned into tables with intervals."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spfem.errors import InputError
from spfem.files import write_json
from studies.user_study import REALISM, SPOILT, StudySettings

FORMAT = "spfem user study answers 1"
PARTICIPANT = re.compile(r"[0-9a-f]{12}")
SIDES = ("left", "right")
LONGEST_SECONDS = 1e8  # a page may stay open for months; beyond it, damage
TRIES = 10_000
PEOPLE = ["participant", "file", "answers", "skipped", "finished", "median_seconds"]
PEOPLE += ["checks", "checks_failed", "counted"]
COLUMNS = ["participant", "trial", "clip", "question", "winner", "loser", "repeat"]


class Answer(NamedTuple):
    """One comparison: its blinded name, and by question the blinded name of the chosen video."""

    trial: str
    repeat: bool
    chosen: Mapping[str, str]
    seconds: float


class Participant(NamedTuple):
    """One readable file of answers."""

    name: str
    file: str
    finished: bool
    answers: tuple[Answer, ...]


def read_study(
    folder: Path, key: Path, *, settings: StudySettings | None = None
) -> dict[str, pd.DataFrame]:
    """The tables of a study by name.

    `preferences` and `pairs` count first answers of participants who failed no check;
    `agreement` theirs with repeats; `participants` lists all; `problems` the files left out: one
    with anything wrong in it is left out as a whole, and so is a second one of a participant.

    Raises:
        InputError: if the key is unreadable, or no file of answers is usable.
    """
    settings = StudySettings() if settings is None else settings
    lifted = read_key(key)
    people: dict[str, Participant] = {}
    problems = []
    for path in sorted(folder.glob("*.json")):
        try:
            one = _participant(path, lifted, settings)
            if one.name in people:
                raise InputError(f"a second file of participant {one.name}")
            people[one.name] = one
        except (InputError, OSError) as error:
            problems.append({"file": path.name, "problem": str(error)})
    if not people:
        found = f"; {problems[0]['file']}: {problems[0]['problem']}" if problems else ""
        raise InputError(f"no usable file of answers among {len(problems)} in {folder}{found}")
    checked = check_participants(list(people.values()), lifted)
    rows = lift_blinding(list(people.values()), lifted)
    rows = rows[rows.participant.isin(checked.participant[checked.counted])]
    rows = rows.astype({"repeat": bool})
    first = rows[~rows.repeat]
    return {
        "preferences": preference_table(first, lifted, settings),
        "pairs": pair_table(first, lifted, settings),
        "agreement": agreement_table(rows, lifted["questions"]),
        "participants": checked,
        "problems": pd.DataFrame(problems, columns=["file", "problem"]),
    }


def read_key(path: Path) -> dict[str, Any]:
    """The key of a study; an `InputError` if it is missing, damaged, or something else."""
    try:
        key = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read; give the key.json of the study") from error
    if not isinstance(key, dict) or not {"study", "methods", "questions", "trials"} <= set(key):
        raise InputError(f"{path} is no key of a study; give the key.json beside the page")
    return key


def _need(fine: bool, trouble: str) -> None:
    if not fine:
        raise InputError(trouble)


def _participant(path: Path, key: Mapping[str, Any], settings: StudySettings) -> Participant:
    most = settings.largest_file_bytes
    _need(path.stat().st_size <= most, f"larger than {most} bytes")
    try:
        record = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not readable ({type(error).__name__})") from error
    known = isinstance(record, dict) and record.get("format") == FORMAT
    _need(known, "not a file of answers that the page saved")
    study, name, rows = (record.get(entry) for entry in ("study", "participant", "answers"))
    _need(study == key["study"], f"answers to another study ({str(study)[:20]!r})")
    named = isinstance(name, str) and PARTICIPANT.fullmatch(name) is not None
    _need(named, "the participant's number is damaged")
    consent = record.get("consent")
    _need(isinstance(consent, str) and bool(consent), "no consent is recorded")
    _need(isinstance(rows, list), "the list of answers is damaged")
    answers = tuple(_answer(row, key) for row in rows)
    once = len({(answer.trial, answer.repeat) for answer in answers}) == len(answers)
    _need(once, "a comparison is answered twice")
    return Participant(name, path.name, bool(record.get("finished")), answers)


def _answer(row: Any, key: Mapping[str, Any]) -> Answer:
    whole = isinstance(row, dict) and isinstance(row.get("choices"), dict)
    _need(whole, "an answer is damaged")
    name = row.get("trial")
    trial = key["trials"].get(name, {}) if isinstance(name, str) else {}
    _need(bool(trial), f"comparison {str(name)[:20]!r} is not of this study")
    sides = [row.get(side) for side in SIDES]
    fit = all(isinstance(side, str) for side in sides) and set(sides) == set(trial["videos"])
    _need(fit, f"comparison {name} has other videos than the key")
    for question, side in row["choices"].items():
        possible = question in key["questions"] and side in SIDES
        _need(possible, f"comparison {name} has an answer that the page cannot give")
    chosen = {question: row[side] for question, side in row["choices"].items()}
    seconds, repeat = row.get("seconds"), row.get("repeat")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = math.nan
    timed = isinstance(repeat, bool) and 0 <= seconds <= LONGEST_SECONDS
    _need(timed, f"comparison {name} has a damaged time or mark of repetition")
    return Answer(str(name), bool(repeat), chosen, float(seconds))


def lift_blinding(participants: Sequence[Participant], key: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of `COLUMNS`, one for each question of each comparison but the checks."""
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
        seconds = pd.Series([answer.seconds for answer in one.answers], dtype=float)
        answered = len(one.answers), sum(not answer.chosen for answer in one.answers)
        told = (one.name, one.file, *answered, one.finished, float(seconds.median()))
        rows.append((*told, len(checks), checks.count(False), False not in checks))
    return pd.DataFrame(rows, columns=PEOPLE)


def preference_table(
    rows: pd.DataFrame, key: Mapping[str, Any], settings: StudySettings, seed: int = 0
) -> pd.DataFrame:
    """Share of its comparisons that a method wins, and its Bradley-Terry strength, by question.

    Rows are those of `lift_blinding`, without repeats.
    """
    found = []
    for question in key["questions"]:
        part = rows[rows.question == question]
        strengths = bradley_terry(part, key["methods"], settings.prior_wins)
        for method in key["methods"]:
            mine = part[(part.winner == method) | (part.loser == method)]
            row = {"question": question, "method": method, **_share(mine, method, settings, seed)}
            found.append({**row, "strength": strengths[method] if len(mine) else float("nan")})
    return pd.DataFrame(found)


def pair_table(
    rows: pd.DataFrame, key: Mapping[str, Any], settings: StudySettings, seed: int = 0
) -> pd.DataFrame:
    """How often the first method of each pair is preferred to the second, by question."""
    found = []
    for question in key["questions"]:
        for first, second in combinations(key["methods"], 2):
            pair = (rows.winner.isin([first, second])) & (rows.loser.isin([first, second]))
            part = rows[(rows.question == question) & pair]
            names = {"question": question, "method": first, "over": second}
            found.append({**names, **_share(part, first, settings, seed)})
    return pd.DataFrame(found)


def _share(rows: pd.DataFrame, method: str, settings: StudySettings, seed: int) -> dict[str, Any]:
    won = (rows.winner == method).to_numpy(float)
    tail = 50 * (1 - settings.confidence)
    low = high = float("nan")
    if len(rows):
        draws = list(_redraw(won, rows, settings.resamples, seed))
        low, high = np.nanpercentile(draws, [tail, 100 - tail])
    return {
        "share": float(won.mean()) if len(rows) else float("nan"),
        "ci_low": float(low),
        "ci_high": float(high),
        "comparisons": len(rows),
        "participants": int(rows.participant.nunique()),
        "clips": int(rows["clip"].nunique()),
    }


def _redraw(won: np.ndarray, rows: pd.DataFrame, resamples: int, seed: int) -> Iterator[float]:
    """Shares with participants and clips redrawn, both with replacement and independently.

    Answers of one person are alike, and so are answers about one clip; the two cross, so a
    comparison counts as often as its person times its clip was drawn.
    """
    generator = np.random.default_rng(seed)
    people, person = np.unique(rows.participant.to_numpy(str), return_inverse=True)
    clips, clip = np.unique(rows["clip"].to_numpy(str), return_inverse=True)

    def drawn(count: int) -> np.ndarray:
        return np.bincount(generator.integers(count, size=count), None, count)

    for _ in range(resamples):
        weights = drawn(len(people))[person] * drawn(len(clips))[clip]
        yield float(won @ weights / weights.sum()) if weights.sum() else float("nan")


def bradley_terry(rows: pd.DataFrame, methods: list[str], prior_wins: float) -> dict[str, float]:
    """Strengths s such that a beats b with probability 1 / (1 + exp(s_b - s_a)); their mean is 0.

    Fitted by minorisation-maximisation (Hunter, 2004), with `prior_wins` added to both sides of
    each pair that was compared, so that a method that never loses stays finite.
    """
    place = {method: number for number, method in enumerate(methods)}
    wins = np.zeros((len(methods), len(methods)))
    for winner, loser in zip(rows.winner, rows.loser, strict=True):
        wins[place[winner], place[loser]] += 1
    games = wins + wins.T
    wins, games = wins + prior_wins * (games > 0), games + 2 * prior_wins * (games > 0)
    skill = np.ones(len(methods))
    for _ in range(TRIES):
        shared = (games / (skill[:, None] + skill[None, :])).sum(axis=1)
        better = np.divide(wins.sum(axis=1), shared, out=np.ones_like(skill), where=shared > 0)
        better /= np.exp(np.log(better).mean())
        done = np.allclose(better, skill, rtol=1e-10)
        skill = better
        if done:
            break
    return dict(zip(methods, np.log(skill).tolist(), strict=True))


def agreement_table(rows: pd.DataFrame, questions: list[str]) -> pd.DataFrame:
    """By question: Krippendorff's alpha, and the share of repeats (in `rows`) answered alike."""
    found = []
    for question in questions:
        part = rows[rows.question == question]
        first, again = part[~part.repeat], part[part.repeat]
        both = first.merge(again, on=["participant", "trial"], suffixes=("", "_again"))
        same = both.winner == both.winner_again
        rated = first.groupby("trial").participant.nunique()
        alike = float(same.mean()) if len(both) else float("nan")
        several = int((rated > 1).sum())
        found.append((question, krippendorff_alpha(first), several, len(both), alike))
    columns = ["question", "alpha", "trials_of_several", "repeats", "repeats_alike"]
    return pd.DataFrame(found, columns=columns)


def krippendorff_alpha(rows: pd.DataFrame) -> float:
    """Krippendorff's alpha for nominal values: 1 is agreement, 0 is chance, below is against it.

    Units are comparisons, values the preferred method; comparisons that a single participant
    answered say nothing. NaN where nothing can be said.
    """
    counts = rows.groupby(["trial", "winner"]).size().unstack(fill_value=0).to_numpy(float)
    counts = counts[counts.sum(axis=1) > 1] if counts.size else counts
    total = counts.sum()
    if not total:
        return float("nan")
    of_unit = counts.sum(axis=1, keepdims=True)
    observed = (counts * (of_unit - counts) / (of_unit - 1)).sum() / total
    of_value = counts.sum(axis=0)
    expected = (of_value * (total - of_value)).sum() / (total * (total - 1))
    return float(1 - observed / expected) if expected else float("nan")


def simulate_answers(
    key: Path, folder: Path, strengths: Mapping[str, float], *, raters: int, seed: int = 0
) -> None:
    """Write the answers of made-up raters, to show how answers are read; no person was asked.

    There is one JSON file a rater. Bradley-Terry strengths are the same for all questions; each
    rater answers every comparison and recognises spoilt videos.
    """
    lifted = read_key(key)
    drawn, strength = random.Random(seed), {**strengths, SPOILT: -math.inf}
    for number in range(raters):
        answers = []
        for name, trial in lifted["trials"].items():
            left, right = drawn.sample(sorted(trial["videos"]), 2)
            gap = strength[trial["videos"][left]] - strength[trial["videos"][right]]
            chance = 1 / (1 + math.exp(min(-gap, 700.0)))
            row = {"trial": name, "repeat": False, "left": left, "right": right, "seconds": 5.0}
            row["choices"] = {
                question: "left" if drawn.random() < chance else "right"
                for question in lifted["questions"]
            }
            answers.append(row)
        who = {"format": FORMAT, "study": lifted["study"], "participant": f"{number:012x}"}
        record = {**who, "consent": "simulated", "finished": "simulated", "answers": answers}
        write_json(folder / f"simulated-{number:02d}.json", record)
