"""What was measured in a workspace, as the paper check wants it.

Everything the paper check needs from a workspace, made by the stages where it is missing.

The rule by which a claim holds, written once.

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

Our side of a claim: which rows of our tables stand beside it.

Claim by claim: what the papers print, what we find, and whether the claim holds.

The papers' tables with ours in a block of its own, which says on what it was measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from spfem import statistics as multiplicity
from spfem.evaluation.differences import method_differences
from spfem.evaluation.tables import AVERAGE, HIGHER_IS_BETTER, main_results, paper_layout
from spfem.methods import METHODS
from spfem.run.metrics import make_similarity, make_temporal_metric
from spfem.run.results import calibrating_methods, real_samples, score_method
from spfem.run.workspace import Workspace
from spfem.settings import EMOTIONS
from studies.paper_claims import ADDITIONS, CORPORA, GOOD_DIRECTION, PAPERS, list_claims
from studies.paper_claims import AVERAGE as PUBLISHED_AVERAGE
from studies.probes import control_operators, shown_operators


@dataclass(frozen=True)
class Measured:
    """Tables of one corpus at one scale; None where a table was not made.

    Attributes:
        corpus: that everything was measured on.
        confidence: of the intervals of all tables.
        results: from `main_results`.
        differences: from `method_differences`, against plain NED.
        formulations: from `method_differences`, NED + STCCL-VD against NED + STCCL-CM.
        similarity: rows of `similarity.csv` of the metrics spatial, temporal_vd and
            spatial_temporal_vd.
        curves: learning record of the metric spatial_temporal_vd by seed.
        control: from `control_operators`.
    """

    corpus: str
    confidence: float = 0.95
    results: pd.DataFrame | None = None
    differences: pd.DataFrame | None = None
    formulations: pd.DataFrame | None = None
    similarity: pd.DataFrame | None = None
    curves: Mapping[int, pd.DataFrame] = field(default_factory=dict)
    control: pd.DataFrame | None = None


SIMILARITIES = ("spatial", "temporal_vd", "spatial_temporal_vd")
FORMULATIONS = ("ned+stccl_vd", "ned+stccl_cm")
CONTROL = {"channels": 128, "places": 64}  # as in the notebook on temporal correlation


def collect_measured(workspace: Workspace) -> Measured:
    """Scores of all methods of the scale, similarities, learning records and the control.

    The comparisons with plain NED and of VD with CM are left out where the scale lacks a method.
    """
    scale = workspace.scale
    calibration: tuple[int, ...] = (0,)  # seed of what is not learned
    runs = dict.fromkeys(calibrating_methods(workspace), calibration)
    runs |= dict.fromkeys(scale.methods, scale.seeds)
    scores = [
        score
        for method, seeds in runs.items()
        for seed in seeds
        for score in score_method(workspace, method, seed)
    ]
    real = real_samples(workspace)

    def differences(methods: tuple[str, ...], baseline: str) -> pd.DataFrame | None:
        if baseline not in scale.methods or len(set(methods) & set(scale.methods)) < 2:
            return None
        chosen = [score for score in scores if score.method in methods]
        return method_differences(chosen, real, scale.evaluation, baseline=baseline)

    curves = {}
    for seed in scale.seeds:
        record = make_temporal_metric(workspace, SIMILARITIES[-1], seed).parent / "curve.json"
        curves[seed] = pd.DataFrame(json.loads(record.read_text(encoding="utf-8")))
    similarity = [make_similarity(workspace, name)[0] for name in SIMILARITIES]
    return Measured(
        workspace.corpus,
        scale.evaluation.confidence,
        results=main_results(scores, real, scale.evaluation),
        differences=differences(scale.methods, "ned"),
        formulations=differences(FORMULATIONS, FORMULATIONS[1]),
        similarity=pd.concat(similarity, ignore_index=True),
        curves=curves,
        control=control_operators(shown_operators(**CONTROL), **CONTROL),
    )


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


OUR_METHODS = {"stccl_vd": "ned+stccl_vd", "stccl_cm": "ned+stccl_cm", "scmcl": "ned+scmcl"}
OUR_METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "FAD": ("fad", ("arcface", "dlib")),
    "LSE-D": ("lse_d", ("syncnet",)),
    "CSIM": ("csim", ("arcface", "dlib")),
    "IE": ("image_entropy", ()),
}
"""Published metric to ours, and the networks that come nearest to the papers', best first."""

LOGGED_EPOCHS = 22  # of the joint run; the first one ends at this share of our steps


@dataclass(frozen=True)
class Ours:
    """Our side of one claim; NaN where nothing was measured, and `why`.

    Attributes:
        base: value that is compared with.
        value: of what the claim is about.
        low: end of the interval of value minus base.
        high: end of it.
        why: what was measured, or why it could not be.
        test: name of the comparison; claims that rest on the same one share it.
    """

    base: float = np.nan
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    why: str = ""
    test: str = ""

    @property
    def difference(self) -> float:
        """Value minus base."""
        return self.value - self.base


def choose_backbone(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rows of a published metric, by the one network of ours that comes nearest."""
    name, preferred = OUR_METRICS[metric]
    rows = table[table.metric == name]
    offered = list(dict.fromkeys(rows.backbone))
    ranked = [b for start in preferred for b in offered if str(b).startswith(start)] + offered
    return rows[rows.backbone == ranked[0]] if ranked else rows


def of_method(claim: Any, measured: Measured) -> Ours:
    """The paired difference of a method to plain NED."""
    if claim.base != "NED":
        return Ours(why=f"{claim.base} is not part of this package")
    return _of_differences(claim, measured.differences, OUR_METHODS[claim.addition], "NED")


def of_formulation(claim: Any, measured: Measured) -> Ours:
    """The paired difference of VD and CM."""
    if claim.base != "NED":
        return Ours(why=f"{claim.base} is not part of this package")
    return _of_differences(claim, measured.formulations, "ned+stccl_vd", "NED + STCCL-CM")


def _of_differences(claim: Any, table: pd.DataFrame | None, method: str, against: str) -> Ours:
    if table is None or table.empty or not (table.method == method).any():
        return Ours(why=f"{method} was not trained at this scale, or not what it is compared with")
    rows = choose_backbone(table[table.method == method], claim.metric)
    rows = rows[rows.setting == claim.setting]
    if rows.empty or rows.difference.isna().all():
        return Ours(why=f"{OUR_METRICS[claim.metric][0]} was not measured")
    row = rows.iloc[0]
    seeds = f"{row.seeds} seed" + ("s" if row.seeds > 1 else "")
    spread = ""
    if row.seeds > 1 and row.seed_low < 0 < row.seed_high:
        spread = ", which differ in sign"
    why = f"with {row.backbone}, {row.clips} clips, {seeds}{spread}"
    return Ours(
        row.baseline,
        row.baseline + row.difference,
        row.ci_low,
        row.ci_high,
        why,
        f"{method} against {against}, {row.metric}, {row.setting}",
    )


def count_emotions(claim: Any, measured: Measured) -> Ours:
    """In how many emotions a method is better than plain NED; single values, no interval."""
    if claim.base != "NED":
        return Ours(why=f"{claim.base} is not part of this package")
    method, table = OUR_METHODS[claim.addition], measured.results
    if table is None or not (table.method == method).any():
        return Ours(why=f"{method} was not trained at this scale")
    rows = choose_backbone(table[table.setting == claim.setting], claim.metric)
    values = rows[rows.emotion != AVERAGE].pivot_table(
        index="emotion", columns="method", values="value"
    )
    if "ned" not in values or method not in values or len(values) < len(EMOTIONS):
        return Ours(why=f"{OUR_METRICS[claim.metric][0]} was not measured in all emotions")
    better = (values[method] - values["ned"]) * GOOD_DIRECTION[claim.metric] > 0
    return Ours(value=float(better.sum()), why="no interval")


def of_similarity(claim: Any, measured: Measured) -> Ours:
    """Two quantities of our similarity table; their intervals give a cautious one."""
    metric = {"spatial": "spatial", "temporal": "temporal_vd", "joint": "spatial_temporal_vd"}
    name, table = metric[claim.setting], measured.similarity
    if table is None or not (table.metric == name).any():
        return Ours(why=f"the similarity of {name} was not measured")
    split = "train" if claim.metric == "contrast after" else "held_out"
    part = table[(table.metric == name) & (table.split == split)]
    rows = {(row["state"], row["quantity"]): row for row in part.to_dict("records")}
    sides = {
        "gain": (("before", "matched"), ("after", "matched")),
        "contrast before": (("before", "mismatched_place"), ("before", "matched")),
        "contrast after": (("after", "mismatched_place"), ("after", "matched")),
    }
    actors = "learned actors" if split == "train" else "held-out actor"
    if claim.metric == "unmatched":
        row = rows["before", "mismatched_place"]
        why = f"cosine over channels, {actors}, {row['seeds']} seeds"
        ends = row["value"], row["ci_low"], row["ci_high"]
        return Ours(0.0, *ends, why, f"{name}, unmatched, {split}")
    first, second = (rows[side] for side in sides[claim.metric])
    return Ours(
        first["value"],
        second["value"],
        second["ci_low"] - first["ci_high"],
        second["ci_high"] - first["ci_low"],
        f"one definition for all states (cosine over channels), {actors}, {second['seeds']} seeds; "
        "interval from those of both values, so wider than needed",
        f"{name}, {claim.metric}, {split}",
    )


def of_training(claim: Any, measured: Measured) -> Ours:
    """Changes along our learning curves, an interval over seeds; or the independent control."""
    if claim.metric == "transformer":
        return _control(measured.control)
    columns = {
        "no gain": ("matched_released", "spatial_matched_released"),
        "matched": ("matched_released", "spatial_matched_released"),
        "shuffled": ("mismatched_released", "spatial_mismatched_released"),
        "loss, second half": ("loss",),
    }[claim.metric]
    share = 0.5 if claim.metric == "loss, second half" else 1 / LOGGED_EPOCHS
    curves = [curve[curve.split == claim.setting] for _, curve in sorted(measured.curves.items())]
    found = [_along(curve, columns, share) for curve in curves]
    ends = [end for end in found if end is not None]
    if len(ends) < 2:
        return Ours(why=f"an interval needs two seeds or more with a curve; found {len(ends)}")
    first, last = np.mean(ends, axis=0)
    _, low, high = seed_interval([b - a for a, b in ends], measured.confidence)
    why = f"released definition of the scores, interval over {len(ends)} seeds"
    return Ours(first, last, low, high, why, f"curve, {claim.metric}, {claim.setting}")


def _along(curve: pd.DataFrame, columns: Sequence[str], share: float) -> tuple[float, float] | None:
    """Mean of the columns at the first record past a share of all steps, and at the last."""
    if len(curve) < 2 or not set(columns) <= set(curve):
        return None
    ordered = curve.sort_values("step")
    values = ordered[list(columns)].mean(axis=1)
    later = (ordered.step >= share * ordered.step.iloc[-1]).to_numpy()
    return float(values[later].iloc[0]), float(values.iloc[-1])


def _control(control: pd.DataFrame | None) -> Ours:
    if control is None:
        return Ours(why="the control of independent inputs was not made")
    row = control[control.operator == "released transformer"].iloc[0]
    return Ours(
        row.chance,
        row.cross_entropy,
        why=f"on independent noise, untrained, the same operator already scores "
        f"{row.share:.0%} of chance: its loss says nothing about learning",
        test="independent control",
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
    """Check every claim by the rule of `studies.paper_check`.

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


BLOCK = "values of"
ENDS = ["ci_low", "ci_high"]
PUBLISHED_WITH = "unpublished"  # networks and settings of the papers' metrics


def compare_tables(
    results: pd.DataFrame, published: pd.DataFrame, *, source: str, ours_on: str
) -> pd.DataFrame:
    """Values of a paper's tables and ours, long form, for a CSV.

    Args:
        results: from `main_results`.
        published: from `published_methods`.
        source: `stccl` or `scmcl`.
        ours_on: corpus of `results`.

    Returns:
        Rows with `values of`, setting, metric (the paper's name), measured with, method, emotion,
        value, ci_low, ci_high; the interval is NaN for published values.
    """
    theirs = published[published.source == source]
    key = ["setting", "metric"]
    rows = theirs.assign(
        **{BLOCK: [_published_block(source, corpus) for corpus in theirs.corpus]},
        method=_published_methods(theirs),
        **{"measured with": PUBLISHED_WITH},
    ).melt(
        id_vars=[BLOCK, *key, "measured with", "method"],
        value_vars=[*EMOTIONS, PUBLISHED_AVERAGE],
        var_name="emotion",
        value_name="value",
    )
    blocks = [rows.assign(ci_low=np.nan, ci_high=np.nan)]
    for metric in dict.fromkeys(theirs.metric):
        ours = choose_backbone(results, metric)
        ours = ours.assign(**{BLOCK: _our_block(ours_on)}, metric=metric)
        blocks.append(ours.rename(columns={"backbone": "measured with"})[list(rows.columns) + ENDS])
    return pd.concat(blocks, ignore_index=True)


def emotion_layout(
    results: pd.DataFrame, published: pd.DataFrame, *, source: str, ours_on: str
) -> pd.DataFrame:
    """A paper's table as printed (settings, metrics and methods by emotions), then ours.

    Ours has intervals at the average, and bold only where they tell a method from all others.
    """
    theirs = published[published.source == source]
    rows = theirs.assign(
        **{BLOCK: [_published_block(source, corpus) for corpus in theirs.corpus]},
        metric=[_arrow(metric) for metric in theirs.metric],
        method=_published_methods(theirs),
        **{"measured with": PUBLISHED_WITH},
    )
    columns = [
        BLOCK,
        "setting",
        "metric",
        "measured with",
        "method",
        *EMOTIONS,
        PUBLISHED_AVERAGE,
    ]
    shown = rows[columns].astype(object)
    numbers = [*EMOTIONS, PUBLISHED_AVERAGE]
    shown[numbers] = rows[numbers].map(lambda value: f"{value:.3f}")
    ours = _our_layout(results, list(dict.fromkeys(theirs.metric)))
    return pd.concat([shown, ours.assign(**{BLOCK: _our_block(ours_on)})])[columns].reset_index(
        drop=True
    )


def average_layout(
    results: pd.DataFrame, published: pd.DataFrame, *, source: str, ours_on: str
) -> pd.DataFrame:
    """Averages only: a row a method, a column a setting and metric; published block first."""
    table = emotion_layout(results, published, source=source, ours_on=ours_on)
    networks = table[table["measured with"] != PUBLISHED_WITH]
    used = ", ".join(
        f"{str(metric).split()[0]} {part.iloc[0]}"
        for metric, part in networks.groupby("metric", sort=False)["measured with"]
    )
    labels = {_our_block(ours_on): f"{_our_block(ours_on)} ({used or 'nothing measured'})"}
    table = table.assign(column=table.setting + " " + table.metric)
    wide = table.pivot(index=[BLOCK, "method"], columns="column", values=PUBLISHED_AVERAGE)
    order = list(dict.fromkeys(table.column))
    rows = list(dict.fromkeys(zip(table[BLOCK], table.method, strict=True)))
    wide = wide.reindex(index=pd.MultiIndex.from_tuples(rows, names=[BLOCK, "method"]))[order]
    wide = wide.fillna("n/a").reset_index()
    wide.columns.name = None
    return wide.assign(**{BLOCK: wide[BLOCK].replace(labels)})


def _our_layout(results: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    ours = {metric: OUR_METRICS[metric][0] for metric in metrics}
    parts = [choose_backbone(results, metric) for metric in metrics]
    known = [name for name in ours.values() if name in HIGHER_IS_BETTER]
    layout = paper_layout(pd.concat(parts), known)
    if layout.empty:
        return pd.DataFrame(columns=["setting", "metric", "measured with", "method"])
    printed = {name: _arrow(metric) for metric, name in ours.items()}
    titles = {name: method.title for name, method in METHODS.items()}
    return layout.assign(
        metric=[printed[text.split()[0]] for text in layout.metric],
        method=layout.method.replace(titles),
    )


def _published_methods(rows: pd.DataFrame) -> list[str]:
    return [
        base if addition == "none" else f"{base} + {ADDITIONS[addition]}"
        for base, addition in zip(rows.base, rows.addition, strict=True)
    ]


def _published_block(source: str, corpus: str) -> str:
    return f"{PAPERS[source]} on {CORPORA[corpus]}, published"


def _our_block(corpus: str) -> str:
    return f"ours on {CORPORA.get(corpus, corpus)}"


def _arrow(metric: str) -> str:
    return f"{metric} {'↑' if GOOD_DIRECTION[metric] > 0 else '↓'}"
