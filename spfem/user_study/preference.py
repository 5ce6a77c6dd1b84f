"""How often each method is preferred, with intervals over participants and clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from spfem.settings.study import StudySettings

TRIES = 10_000


def preference_table(
    rows: pd.DataFrame, key: Mapping[str, Any], settings: StudySettings, seed: int = 0
) -> pd.DataFrame:
    """Share of its comparisons that a method wins, and its Bradley-Terry strength, by question.

    Args:
        rows: of `lift_blinding`, without repeats.
        key: of the study, for methods and questions.
        settings: resamples, confidence, prior.
        seed: of the resampling.
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
    random = np.random.default_rng(seed)
    people, person = np.unique(rows.participant.to_numpy(str), return_inverse=True)
    clips, clip = np.unique(rows["clip"].to_numpy(str), return_inverse=True)
    for _ in range(resamples):
        of_people = np.bincount(random.integers(len(people), size=len(people)), None, len(people))
        of_clips = np.bincount(random.integers(len(clips), size=len(clips)), None, len(clips))
        weights = of_people[person] * of_clips[clip]
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
