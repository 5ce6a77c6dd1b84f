"""The rule by which a claim holds, written once.

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

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, t

from spfem import multiplicity

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not testable here"
VERDICTS = (HOLDS, FAILS, UNTESTED)
NO_CHANGE = 0.05  # of a cosine; far below the gains that the papers call a success


def judge_direction(expected: float, difference: float, low: float, high: float) -> tuple[str, str]:
    """Verdict and reason of a claimed direction.

    Args:
        expected: published difference, of which only the sign counts.
        difference: ours.
        low: end of its interval.
        high: end of its interval.
    """
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
    """How two relative changes compare; empty where one is unknown.

    Args:
        published: relative change, -0.1 for 10 % less.
        ours: likewise.
        low: end of the interval of ours.
        high: end of the interval of ours.
    """
    if not np.isfinite([published, ours, low, high]).all():
        return ""
    if low <= published <= high:
        word = "which lies in our interval"
    else:
        word = "so ours is smaller" if abs(ours) < abs(published) else "so ours is larger"
    return f"change of {ours:+.2%} here, {published:+.1%} published, {word}"


def seed_interval(values: Sequence[float], confidence: float) -> tuple[float, float, float]:
    """Mean over seeds and its interval by Student's t; the ends are NaN with one seed."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return float(array.mean()) if len(array) else np.nan, np.nan, np.nan
    reach = t.ppf((1 + confidence) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return float(array.mean()), float(array.mean() - reach), float(array.mean() + reach)


def approximate_p(difference: float, low: float, high: float, confidence: float) -> float:
    """Two-sided p-value as if the interval were normal; only for `holm`."""
    deviation = (high - low) / (2 * norm.ppf((1 + confidence) / 2))
    if not np.isfinite([difference, deviation]).all():
        return np.nan
    if deviation == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * norm.sf(abs(difference) / deviation))


def holm(p_values: Sequence[float], level: float) -> np.ndarray:
    """Which of several tests are significant after Holm's correction, (N,) bool."""
    return multiplicity.holm(p_values) <= level
