"""Whether participants agree with each other, and with themselves."""

from __future__ import annotations

import pandas as pd


def agreement_table(rows: pd.DataFrame, questions: list[str]) -> pd.DataFrame:
    """By question: Krippendorff's alpha, and the share of repeats that were answered alike.

    Args:
        rows: of `lift_blinding`, with repeats.
        questions: of the study.
    """
    found = []
    for question in questions:
        part = rows[rows.question == question]
        first, again = part[~part.repeat], part[part.repeat]
        both = first.merge(again, on=["participant", "trial"], suffixes=("", "_again"))
        same = both.winner == both.winner_again
        rated = first.groupby("trial").participant.nunique()
        found.append(
            {
                "question": question,
                "alpha": krippendorff_alpha(first),
                "trials_of_several": int((rated > 1).sum()),
                "repeats": len(both),
                "repeats_alike": float(same.mean()) if len(both) else float("nan"),
            }
        )
    return pd.DataFrame(found)


def krippendorff_alpha(rows: pd.DataFrame) -> float:
    """Krippendorff's alpha for nominal values: 1 is agreement, 0 is chance, below is against it.

    Units are comparisons, values the preferred method; comparisons that a single participant
    answered say nothing. NaN where nothing can be said.
    """
    counts = rows.groupby(["trial", "winner"]).size().unstack(fill_value=0).to_numpy(float)
    if not counts.size:
        return float("nan")
    counts = counts[counts.sum(axis=1) > 1]
    total = counts.sum()
    if not total:
        return float("nan")
    of_unit = counts.sum(axis=1, keepdims=True)
    observed = (counts * (of_unit - counts) / (of_unit - 1)).sum() / total
    of_value = counts.sum(axis=0)
    expected = (of_value * (total - of_value)).sum() / (total * (total - 1))
    return float(1 - observed / expected) if expected else float("nan")
