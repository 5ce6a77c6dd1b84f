"""Claim by claim: what the papers print, what we find, and whether the claim holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from spfem.paper.claims import list_claims
from spfem.paper.inputs import Measured
from spfem.paper.measure import (
    Ours,
    count_emotions,
    of_formulation,
    of_method,
    of_similarity,
    of_training,
)
from spfem.paper.verdicts import (
    FAILS,
    HOLDS,
    UNTESTED,
    VERDICTS,
    approximate_p,
    describe_size,
    holm,
    judge_count,
    judge_direction,
    judge_no_change,
)

COLUMNS = (
    "claim", "source", "published_base", "published_value", "ours_base", "ours", "difference",
    "ci_low", "ci_high", "verdict", "why",
    # What follows says where ours is from, and sorts the rows.
    "ours_on", "part", "corpus", "setting", "metric", "base", "addition",
    "published_change", "ours_change", "change_low", "change_high", "test", "clear_after_holm",
)  # fmt: skip
NO_DIRECTION = ("no gain", "unmatched")  # metrics of claims that nothing changes, or is there
CHANGES = ("published_change", "ours_change", "change_low", "change_high")
SIDES: dict[str, Callable[[Any, Measured], Ours]] = {
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


def check_papers(measured: Measured, claims: pd.DataFrame | None = None) -> pd.DataFrame:
    """Check every claim by the rule of `spfem.paper.verdicts`.

    Directions are compared, whatever corpus ours was measured on (`ours_on`), and relative
    changes stand side by side; absolute values are never compared. Holm's correction runs over
    all distinct comparisons with an interval: claims of two papers that rest on the same
    comparison of ours count as one.

    Args:
        measured: our tables.
        claims: default `list_claims()`.

    Returns:
        One row a claim, with `COLUMNS`. `published_change` and `ours_change` are relative
        changes; `clear_after_holm` is missing for rows without a test.
    """
    claims = list_claims() if claims is None else claims
    rows = [_check(claim, measured) for claim in claims.itertuples(index=False)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = _judge_counts(table)
    return _correct(table, measured.confidence)


def _check(claim: Any, measured: Measured) -> dict[str, Any]:
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
    passed = dict(zip(tests.test, holm(p_values, 1 - confidence), strict=True))
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
