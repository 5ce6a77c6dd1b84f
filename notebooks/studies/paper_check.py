"""Claim by claim: what the papers print, what was asked here, and the verdict.

The rule, written once. Ours is a paired difference with its interval, in shares of what it is
compared with, where the papers print a relative change:

* **seen here**: the interval is clear of zero on the printed side;
* **opposite here**: it is clear of zero on the other side;
* **smaller than printed**: it holds zero, but not the printed change; or the change is shown to be
  less than `MARGIN` of the printed one, whichever way (two one-sided tests);
* **undecided**: neither zero nor the printed change is excluded;
* **not testable here**: nothing was measured that answers it.

A claim that **nothing changes** is seen if the whole interval lies within `NO_CHANGE` of zero, and
the opposite if it lies outside. A claim of **at least so many emotions** is seen if that share of
the draws is at least the confidence of the intervals. A small share alone excludes nothing, since
of seven emotions none of which changes all seven come out better in one draw of 128: the printed
count is excluded only where the average over the emotions excludes what is printed too.

None of this calls a claim about MEAD or RAVDESS false: `asked_here` says what was asked instead,
on which actors and with which base. **Values as printed** are not testable here: the recordings
and the metric networks differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

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

SEEN, OPPOSITE, SMALLER = "seen here", "opposite here", "smaller than printed"
UNDECIDED, UNTESTED = "undecided", "not testable here"
VERDICTS = (SEEN, OPPOSITE, SMALLER, UNDECIDED, UNTESTED)
NO_CHANGE = 0.05  # of a cosine; far below the gains that the papers call a success
MARGIN = 0.5  # of the printed change: below half of it, most of what is printed is not there
UNMEASURED = (UNTESTED, "could not be measured here")


def judge_direction(
    printed: float, difference: float, low: float, high: float, within: float = np.nan
) -> tuple[str, str]:
    """Verdict and reason of a claimed change, all in one unit.

    `within` is the margin within which equality with zero is shown.
    """
    if not np.isfinite([printed, difference, low, high]).all():
        return UNMEASURED
    if low > 0 or high < 0:
        if difference * printed > 0:
            return SEEN, "printed direction, interval clear of zero"
        return OPPOSITE, "the other direction, interval clear of zero"
    if not low <= printed <= high:
        return SMALLER, "the interval holds zero, but not the printed change"
    if within < MARGIN * abs(printed):
        return SMALLER, f"shown to be less than {MARGIN:.0%} of the printed change"
    return UNDECIDED, "neither zero nor the printed change is excluded"


def judge_no_change(difference: float, low: float, high: float) -> tuple[str, str]:
    """Verdict and reason of a claim that nothing changes."""
    if not np.isfinite([difference, low, high]).all():
        return UNMEASURED
    if max(abs(low), abs(high)) < NO_CHANGE:
        return SEEN, f"the whole interval lies within {NO_CHANGE:g} of zero"
    if low > NO_CHANGE or high < -NO_CHANGE:
        return OPPOSITE, f"the whole interval lies more than {NO_CHANGE:g} from zero"
    return UNDECIDED, f"a change of more than {NO_CHANGE:g} is not excluded"


def judge_count(probability: float, average: str, confidence: float) -> tuple[str, str]:
    """Verdict and reason of a claimed number of emotions; `average` is the verdict of the mean."""
    if not np.isfinite(probability) or average == UNTESTED:
        return UNMEASURED
    share = f"probability {probability:.2f} of at least as many emotions"
    if probability >= confidence:
        return SEEN, share
    if probability <= 1 - confidence and average in (OPPOSITE, SMALLER):
        return average, f"{share}, and the average over the emotions is {average}"
    return UNDECIDED, share


def describe_size(published: float, ours: float, low: float, high: float) -> str:
    """How two relative changes, -0.1 for 10 % less, compare; empty where one is unknown."""
    if not np.isfinite([published, ours, low, high]).all():
        return ""
    if low <= published <= high:
        word = "which lies in our interval"
    else:
        word = "so ours is smaller" if abs(ours) < abs(published) else "so ours is larger"
    return f"change of {ours:+.2%} here, {published:+.1%} published, {word}"


def approximate_p(
    difference: float, low: float, high: float, confidence: float, freedom: float = np.inf
) -> float:
    """Two-sided p-value as if the interval were one of Student's t; only for `holm`."""
    deviation = (high - low) / (2 * student.ppf((1 + confidence) / 2, freedom))
    if not np.isfinite([difference, deviation]).all():
        return np.nan
    if deviation == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * student.sf(abs(difference) / deviation, freedom))


COLUMNS = (
    "claim", "source", "published_base", "published_value", "ours_base", "ours", "difference",
    "ci_low", "ci_high", "verdict", "why", "asked_here", "our_base",
    # What follows says where ours is from, and sorts the rows.
    "ours_on", "part", "corpus", "setting", "metric", "base", "addition",
    "published_change", "ours_change", "change_low", "change_high", "equivalent_within",
    "detectable_80", "probability", "freedom", "test", "clear_after_holm",
)  # fmt: skip
NO_DIRECTION = ("no gain", "unmatched")  # metrics of claims that nothing changes, or is there
CHANGES = ("published_change", "ours_change", "change_low", "change_high")
SIDES: dict[str, Callable[[Any, MeasuredTables, str], Ours]] = {
    "method": of_method,
    "emotions": count_emotions,
    "formulation": of_formulation,
    "similarity": of_similarity,
    "training": of_training,
}
OF_METHODS = ("method", "emotions", "formulation")  # parts that are asked on every base
REASONS = {
    "value": "absolute values need the recordings and the unpublished metric settings; the papers' "
    "own baselines disagree with each other",
    "speed": "measured on an unnamed GPU at another size",
    "unread": "no number of it is known",
}


def check_papers(measured: MeasuredTables, claims: pd.DataFrame | None = None) -> pd.DataFrame:
    """Check every claim by the rule of `studies.paper_check`.

    A claim about what is added to NED is asked once on each base of `measured`, all others once.
    Relative changes are compared, whatever corpus ours was measured on (`ours_on`); absolute
    values are never compared. Holm's correction runs over all distinct comparisons with an
    interval: claims of two papers that rest on the same comparison of ours count as one.

    The claims are those of `list_claims` by default.

    Returns:
        One row a claim and base, with `COLUMNS`. `base` is that of the paper (NED, ICface),
        `our_base` that of ours, empty where the claim is not about edits or was not asked.
        `published_change` and `ours_change` are relative changes; `clear_after_holm` is missing
        for rows without a test.
    """
    claims = list_claims() if claims is None else claims
    rows = [
        _check(claim, measured, base)
        for claim in claims.itertuples(index=False)
        for base in (measured.bases if claim.part in OF_METHODS and claim.base == "NED" else ("",))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = _judge_counts(table, measured.confidence)
    return _correct(table, measured.confidence)


def _check(claim: Any, measured: MeasuredTables, base: str) -> dict[str, Any]:
    side = SIDES.get(claim.part)
    ours = side(claim, measured, base) if side else Ours(why=REASONS[claim.part])
    changes = _relative_changes(claim, ours)
    verdict, why = _judge(claim, ours, changes) if ours.test else (UNTESTED, ours.why)
    return {
        **claim._asdict(),
        "ours_base": ours.base,
        "ours": ours.value,
        "difference": ours.difference,
        "ci_low": ours.low,
        "ci_high": ours.high,
        "verdict": verdict,
        "why": why,
        "asked_here": ours.asked,
        "our_base": base,
        "ours_on": measured.corpus if ours.asked else "",
        "equivalent_within": ours.within,
        "detectable_80": ours.detectable,
        "probability": ours.probability,
        "freedom": ours.freedom,
        "test": ours.test,
        **changes,
    }


def _relative_changes(claim: Any, ours: Ours) -> dict[str, float]:
    """Published and ours, as shares of the base, where values have one."""
    changes = dict.fromkeys(CHANGES, np.nan)
    if claim.part in ("method", "formulation") or claim.metric == "loss, second half":
        changes["published_change"] = claim.published_value / claim.published_base - 1
        if ours.base:
            ends = np.divide([ours.difference, ours.low, ours.high], abs(ours.base))
            changes |= dict(zip(CHANGES[1:], ends, strict=True))
    return changes


def _judge(claim: Any, ours: Ours, changes: dict[str, float]) -> tuple[str, str]:
    if claim.metric == "transformer":  # ours is what noise gives without learning
        verdict = SEEN if abs(ours.difference) < NO_CHANGE * ours.base else OPPOSITE
        return verdict, ours.why
    if claim.metric in NO_DIRECTION:
        verdict, words = judge_no_change(ours.difference, ours.low, ours.high)
    elif np.isfinite(changes["published_change"]):
        printed, change, low, high = changes.values()
        verdict, words = judge_direction(printed, change, low, high, ours.within)
    else:
        printed = claim.published_value - claim.published_base
        verdict, words = judge_direction(printed, ours.difference, ours.low, ours.high)
    size = describe_size(*changes.values())
    if claim.part == "similarity":
        published = claim.published_value - claim.published_base
        size = f"{ours.difference:+.2f} here, {published:+.2f} published"
    power = ""
    if verdict == UNDECIDED and np.isfinite(ours.detectable):
        power = f"a change of {ours.detectable:.2%} would be seen in 4 of 5 such runs"
    return verdict, "; ".join(text for text in (words, size, power, ours.why) if text)


def _judge_counts(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Fill in the verdicts on counts of emotions, which need those on the averages."""
    key = ["source", "corpus", "setting", "metric", "base", "addition", "our_base"]
    averages = table[table.part == "method"].set_index(key).verdict
    for place, row in table[table.part == "emotions"].iterrows():
        if np.isfinite(row.probability):
            average = averages[tuple(row[name] for name in key)]
            verdict, words = judge_count(row.probability, average, confidence)
            table.loc[place, ["verdict", "why"]] = verdict, f"{words}; {row.why}"
    return table


def _correct(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    with_interval = table.test.ne("") & table.ci_low.notna() & ~table.metric.isin(NO_DIRECTION)
    tests = table[with_interval].drop_duplicates("test")
    p_values = [
        approximate_p(row["difference"], row["ci_low"], row["ci_high"], confidence, row["freedom"])
        for row in tests.to_dict("records")
    ]
    passed = dict(zip(tests.test, holm(p_values) <= 1 - confidence, strict=True))
    kept = table.test.where(with_interval).map(passed)
    confirmed = table.verdict.isin([SEEN, OPPOSITE]) & with_interval
    words = kept.map({True: "clear also", False: "not clear"}) + (
        f" after Holm's correction for {len(tests)} comparisons"
    )
    why = table.why.where(~confirmed, table.why + "; " + words)
    return table.assign(clear_after_holm=kept, why=why)


def count_verdicts(check: pd.DataFrame, measured: MeasuredTables) -> pd.DataFrame:
    """How many claims got each verdict, base by base, and what they rest on.

    On each base all claims count, those that are not about edits too; so every base adds up to
    all claims.

    Returns:
        One row a base and verdict; columns base, verdict, claims, `method_claims` (of those, what
        is added to NED), and actors, clips (source clips of a setting) and seeds behind them.
    """
    rows = []
    for base in measured.bases:
        part = check[check.our_base.isin([base, ""])]
        of_methods = part[part.part.isin(OF_METHODS)]
        for verdict in VERDICTS:
            counts = [int((some.verdict == verdict).sum()) for some in (part, of_methods)]
            rows.append((base, verdict, *counts, *measured.rests_on(base)))
    columns = ["base", "verdict", "claims", "method_claims", "actors", "clips", "seeds"]
    return pd.DataFrame(rows, columns=columns)


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
            "asked here": tested.asked_here,
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
