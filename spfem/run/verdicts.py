"""What the check of the papers found, in words: the counts, and what they rest on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spfem.methods import NED

SHOWN_POWER = ("mouth_error", "lse_d", "csim", "fad")


def read_verdicts(results: Path) -> list[str]:
    """`verdicts_in_words` of a folder of results; empty where the check has not run there."""
    counts, differences = (
        results / "tables" / f"{name}.csv" for name in ("paper_check_counts", "method_differences")
    )
    if not counts.is_file() or "verdict" not in (found := pd.read_csv(counts)):
        return []
    compared = pd.read_csv(differences) if differences.is_file() else pd.DataFrame()
    return verdicts_in_words(found.fillna({"base": ""}), compared)


def verdicts_in_words(counts: pd.DataFrame, differences: pd.DataFrame) -> list[str]:
    """One paragraph a base, of the tables `paper_check_counts` and `method_differences`."""
    paragraphs = []
    for base in map(str, counts.base.unique()):
        part = counts[counts.base == base]
        row = part.iloc[0]
        told = ", ".join((part.claims.astype(str) + " " + part.verdict.astype(str)).tolist())
        asked = part[part.verdict != "not testable here"]
        total, open_ = asked.method_claims.sum(), asked[asked.verdict == "undecided"]
        asked_on = f", asked on base {base}" if base else ""
        words = [f"Of {part.claims.sum()} claims of the papers{asked_on}: {told}."]
        if total:
            share = open_.method_claims.sum() / total
            words.append(
                f"Of the {total} about methods that can be asked here, {share:.0%} are undecided."
            )
            words.append(
                f"They rest on {row.actors} actors, {row.clips} source clips a setting and "
                f"{row.seeds} seed{'s' * bool(row.seeds != 1)} a method."
            )
            words += _power_in_words(differences, base)
        paragraphs.append(" ".join(words))
    return paragraphs


def _power_in_words(differences: pd.DataFrame, base: str) -> list[str]:
    if "detectable_80" not in differences:
        return []
    part = differences[(differences.base == base) & (differences.against == NED)]
    seen = part.groupby("metric").detectable_80.median()
    told = [f"{seen[metric]:.2%} of {metric}" for metric in SHOWN_POWER if metric in seen]
    sentence = f"With these a change of {', '.join(told)} would be seen in four of five runs."
    return [sentence] if told else []
