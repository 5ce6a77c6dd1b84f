"""Claim by claim: what the papers print, what we find, and whether the claim holds.

The rule, written once:

* A claim of a **direction** (lower, higher) holds if the interval of our paired difference is
  clear of zero on the published side. If the interval holds zero it does not hold: what cannot be
  told from zero was not found, whichever side the estimate lies on.
* A claim of **no change**, or of nothing being there, holds if the whole interval lies within
  `NO_CHANGE` of zero.
* A claim of a **count** of emotions holds if ours is at least as large and the average of the
  same comparison holds; the count alone has no interval.
* The **size** never decides, since the papers' own baselines disagree by more than most gains;
  relative changes stand side by side, and `describe_size` says how they compare.
* Values as printed are **not testable here**: the recordings and the metric networks differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from spfem.statistics import holm
from studies.paper_claims import list_claims
from studies.paper_sides import (
    MeasuredTables,
    Ours,
    count_emotions,
    of_formulation,
    of_method,
    of_similarity,
    of_training,
)

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not testable here"
VERDICTS = (HOLDS, FAILS, UNTESTED)
NO_CHANGE = 0.05  # of a cosine; far below the gains that the papers call a success


def judge_direction(expected: float, difference: float, low: float, high: float) -> tuple[str, str]:
    """Verdict and reason of a claimed direction; of what was `expected` only the sign counts."""
    if not np.isfinite([difference, low, high]).all():
        return UNTESTED, "could not be measured here"
    along = difference * np.sign(expected) > 0
    if low <= 0 <= high:
        if along:
            return FAILS, "the published direction, but not told from zero"
        return FAILS, "not even the published direction, and not told from zero"
    if along:
        return HOLDS, "published direction, interval clear of zero"
    return FAILS, "the opposite direction, interval clear of zero"


def judge_no_change(difference: float, low: float, high: float) -> tuple[str, str]:
    """Verdict and reason of a claim that nothing changes."""
    if not np.isfinite([difference, low, high]).all():
        return UNTESTED, "could not be measured here"
    if max(abs(low), abs(high)) < NO_CHANGE:
        return HOLDS, f"the whole interval lies within {NO_CHANGE:g} of zero"
    return FAILS, f"a change of more than {NO_CHANGE:g} is not excluded"


def judge_count(published: float, ours: float, average: str) -> tuple[str, str]:
    """Verdict and reason of a claimed number of emotions; `average` is the verdict of the mean."""
    if not np.isfinite(ours) or average == UNTESTED:
        return UNTESTED, "could not be measured here"
    if ours < published:
        return FAILS, "in fewer emotions"
    if average != HOLDS:
        return FAILS, "in as many emotions, but their average does not hold"
    return HOLDS, "in as many emotions, and their average holds"


def describe_size(published: float, ours: float, low: float, high: float) -> str:
    """How two relative changes, -0.1 for 10 % less, compare; empty where one is unknown."""
    if not np.isfinite([published, ours, low, high]).all():
        return ""
    if low <= published <= high:
        word = "which lies in our interval"
    else:
        word = "so ours is smaller" if abs(ours) < abs(published) else "so ours is larger"
    return f"change of {ours:+.2%} here, {published:+.1%} published, {word}"


def approximate_p(difference: float, low: float, high: float, confidence: float) -> float:
    """Two-sided p-value as if the interval were normal; only for `holm`."""
    deviation = (high - low) / (2 * norm.ppf((1 + confidence) / 2))
    if not np.isfinite([difference, deviation]).all():
        return np.nan
    if deviation == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * norm.sf(abs(difference) / deviation))


COLUMNS = (
    "claim", "source", "published_base", "published_value", "ours_base", "ours", "difference",
    "ci_low", "ci_high", "verdict", "why",
    # What follows says where ours is from, and sorts the rows.
    "ours_on", "part", "corpus", "setting", "metric", "base", "addition",
    "published_change", "ours_change", "change_low", "change_high", "test", "clear_after_holm",
)  # fmt: skip
NO_DIRECTION = ("no gain", "unmatched")  # metrics of claims that nothing changes, or is there
CHANGES = ("published_change", "ours_change", "change_low", "change_high")
SIDES: dict[str, Callable[[Any, MeasuredTables], Ours]] = {
    "method": of_method,
    "emotions": count_emotions,
    "formulation": of_formulation,
    "similarity": of_similarity,
    "training": of_training,
}
REASONS = {
    "value": "absolute values need the recordings and the unpublished metric settings; the papers' "
    "own baselines disagree with each other",
    "speed": "measured on an unnamed GPU at another size",
    "unread": "no number of it is known",
}


def check_papers(measured: MeasuredTables, claims: pd.DataFrame | None = None) -> pd.DataFrame:
    """Check every claim by the rule of `studies.paper_check`.

    Directions are compared, whatever corpus ours was measured on (`ours_on`), and relative
    changes stand side by side; absolute values are never compared. Holm's correction runs over
    all distinct comparisons with an interval: claims of two papers that rest on the same
    comparison of ours count as one.

    The claims are those of `list_claims` by default.

    Returns:
        One row a claim, with `COLUMNS`. `published_change` and `ours_change` are relative
        changes; `clear_after_holm` is missing for rows without a test.
    """
    claims = list_claims() if claims is None else claims
    rows = [_check(claim, measured) for claim in claims.itertuples(index=False)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = _judge_counts(table)
    return _correct(table, measured.confidence)


def _check(claim: Any, measured: MeasuredTables) -> dict[str, Any]:
    side = SIDES.get(claim.part)
    ours = side(claim, measured) if side else Ours(why=REASONS[claim.part])
    changes = _relative_changes(claim, ours)
    verdict, why = _judge(claim, ours, changes) if ours.test else (UNTESTED, ours.why)
    measured_here = bool(ours.test) or np.isfinite(ours.value)
    return {
        **claim._asdict(),
        "ours_base": ours.base,
        "ours": ours.value,
        "difference": ours.difference,
        "ci_low": ours.low,
        "ci_high": ours.high,
        "verdict": verdict,
        "why": why,
        "ours_on": measured.corpus if measured_here else "",
        "test": ours.test,
        **changes,
    }


def _relative_changes(claim: Any, ours: Ours) -> dict[str, float]:
    """Published and ours, as shares of the base, where values have one."""
    changes = dict.fromkeys(CHANGES, np.nan)
    if claim.part in ("method", "formulation"):
        changes["published_change"] = claim.published_value / claim.published_base - 1
        if ours.base:
            ends = np.divide([ours.difference, ours.low, ours.high], abs(ours.base))
            changes |= dict(zip(CHANGES[1:], ends, strict=True))
    return changes


def _judge(claim: Any, ours: Ours, changes: dict[str, float]) -> tuple[str, str]:
    if claim.metric == "transformer":
        return FAILS, ours.why
    if claim.metric in NO_DIRECTION:
        verdict, words = judge_no_change(ours.difference, ours.low, ours.high)
    else:
        expected = claim.published_value - claim.published_base
        verdict, words = judge_direction(expected, ours.difference, ours.low, ours.high)
    size = describe_size(*changes.values())
    if claim.part == "similarity":
        published = claim.published_value - claim.published_base
        size = f"{ours.difference:+.2f} here, {published:+.2f} published"
    return verdict, "; ".join(text for text in (words, size, ours.why) if text)


def _judge_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Fill in the verdicts on counts of emotions, which need those on the averages."""
    key = ["source", "corpus", "setting", "metric", "base", "addition"]
    averages = table[table.part == "method"].set_index(key).verdict
    for place, row in table[table.part == "emotions"].iterrows():
        if not np.isfinite(row.ours):
            continue
        average = averages[tuple(row[name] for name in key)]
        verdict, words = judge_count(row.published_value, row.ours, average)
        table.loc[place, ["verdict", "why"]] = verdict, f"{words}; {row.why}"
        table.loc[place, "difference"] = row.ours - row.published_value
    return table


def _correct(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    with_interval = table.test.ne("") & table.ci_low.notna() & ~table.metric.isin(NO_DIRECTION)
    tests = table[with_interval].drop_duplicates("test")
    p_values = [
        approximate_p(row["difference"], row["ci_low"], row["ci_high"], confidence)
        for row in tests.to_dict("records")
    ]
    passed = dict(zip(tests.test, holm(p_values) <= 1 - confidence, strict=True))
    kept = table.test.where(with_interval).map(passed)
    confirmed = (table.verdict == HOLDS) & with_interval
    words = kept.map({True: "clear also", False: "not clear"}) + (
        f" after Holm's correction for {len(tests)} comparisons"
    )
    why = table.why.where(~confirmed, table.why + "; " + words)
    return table.assign(clear_after_holm=kept, why=why)


def count_verdicts(check: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each part got each verdict, and how many comparisons they rest on.

    Returns:
        One row a part and one for all; columns part, the verdicts, `claims`, `comparisons`
        (distinct ones of ours) and `clear_after_holm` (of those).
    """
    rows = []
    for part in (*dict.fromkeys(check.part), "all"):
        of_part = check if part == "all" else check[check.part == part]
        tests = of_part[of_part.test != ""].drop_duplicates("test")
        counts = {verdict: int((of_part.verdict == verdict).sum()) for verdict in VERDICTS}
        rows.append(
            {
                "part": part,
                **counts,
                "claims": len(of_part),
                "comparisons": len(tests),
                "clear_after_holm": int(tests.clear_after_holm.eq(True).sum()),
            }
        )
    return pd.DataFrame(rows)


def shown_check(check: pd.DataFrame) -> pd.DataFrame:
    """The check for TeX and Markdown: tested claims one by one, the others by reason.

    Columns name the corpus that ours was measured on, so that no value of ours can be taken for
    one of the papers' corpora.
    """
    tested = check[check.verdict != UNTESTED]
    on = ", ".join(dict.fromkeys(tested.ours_on)) or "nothing"
    shown = pd.DataFrame(
        {
            "claim": tested.claim,
            "source": tested.source,
            "published base": tested.published_base.map(_number),
            "published": tested.published_value.map(_number),
            f"ours base ({on})": tested.ours_base.map(_number),
            f"ours ({on})": tested.ours.map(_number),
            "difference of ours": [_interval(row) for row in tested.itertuples()],
            "verdict": tested.verdict,
            "why": tested.why,
        }
    )
    left = check[check.verdict == UNTESTED]
    groups = [
        dict.fromkeys(shown.columns, "n/a")
        | {
            "claim": f"{len(part)} claims: {claim}",
            "source": ", ".join(dict.fromkeys(part.source.str.split(",").str[0])),
            "verdict": UNTESTED,
            "why": why,
        }
        for (claim, why), part in left.groupby(["part", "why"], sort=False)
    ]
    return pd.concat([shown, pd.DataFrame(groups)], ignore_index=True)


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "n/a"


def _interval(row: Any) -> str:
    if not np.isfinite(row.difference):
        return "n/a"
    if not np.isfinite(row.ci_low):
        return f"{row.difference:+.4g}"
    return f"{row.difference:+.4g} [{row.ci_low:+.4g}, {row.ci_high:+.4g}]"
