"""Which method is better, clip by clip, and whether the papers' order is seen.

Every other method is compared with the baseline of the same clip. Few clips tell little: with n
clips, the smallest p of an exact sign-flip test is 2 / 2**n, and many comparisons are made at once.
So the verdict `better` needs a p below the error rate after Holm's correction over all comparisons
of a group of clips; an interval clear of zero, with an uncorrected p below the lean rate, is called
a lean. A metric that is no better than 0 on the unedited sources themselves cannot tell anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from spfem.errors import InputError
from spfem.evaluation.tables import CALIBRATION
from spfem.statistics import Interval, cluster_bootstrap, holm
from studies.audit import COMPARED, METRICS, REFERENCE, SOURCE, AuditSettings

BASELINES = ("ned", "baseline")
FEWEST_CLIPS = 3
EXACT_CLIPS = 14  # sign flips are all tried up to here, drawn beyond
DRAWS = 20_000
EVERYTHING = "all clips"
CANNOT_TELL = "cannot tell: no better than 0 on the sources"
COLUMNS = (
    "group", "metric", "method", "baseline", "difference", "ci_low", "ci_high", "clips",
    "better_in", "p", "p_holm", "claim", "verdict",
)  # fmt: skip


def paired_differences(
    measures: pd.DataFrame,
    settings: AuditSettings,
    *,
    baselines: Sequence[str] = BASELINES,
    seed: int = 0,
) -> pd.DataFrame:
    """Method less baseline of the same clip, over all clips and by what drove them.

    `measures` has one row a clip and panel, with the metrics as columns; of the panels named
    `baselines` a clip takes the first that it has.

    Returns:
        Rows with `COLUMNS`, one a group, metric and method with three clips or more.
        `difference` has an interval of the bootstrap over clips, `better_in` counts clips in
        which the method is better, `p` is the exact sign-flip test's, `p_holm` that corrected
        for all comparisons of the group.

    Raises:
        InputError: if no clip has a baseline.
    """
    pairs = clip_differences(measures, baselines)
    groups = {EVERYTHING: pairs}
    if pairs.driven_by.nunique() > 1:
        groups |= {f"{kind}-driven": part for kind, part in pairs.groupby("driven_by")}
    tables = [_group_rows(name, part, settings, seed) for name, part in groups.items()]
    table = pd.DataFrame([row for rows in tables for row in rows], columns=list(COLUMNS))
    blind = _blind_metrics(measures, settings, seed)
    return table.assign(verdict=table.verdict.mask(table.metric.isin(blind), CANNOT_TELL))


def rival_panels(measures: pd.DataFrame) -> pd.DataFrame:
    """The rows of `measures` that compete: no source, reference, copy or truth."""
    return measures[~measures.panel.isin((SOURCE, REFERENCE, *CALIBRATION))]


def clip_differences(measures: pd.DataFrame, baselines: Sequence[str] = BASELINES) -> pd.DataFrame:
    """Method less baseline, one row a clip, method and metric that both have.

    Args:
        measures: one row a clip and panel, with the metrics as columns.
        baselines: names of baseline panels; a clip takes the first that it has.

    Returns:
        Columns clip, driven_by, method, metric, baseline (its value) and difference.

    Raises:
        InputError: if no clip has a baseline.
    """
    rivals = rival_panels(measures)
    order = {name: place for place, name in enumerate(baselines)}
    base = rivals[rivals.panel.isin(order)].sort_values("panel", key=lambda names: names.map(order))
    if base.empty:
        raise InputError(
            f"no clip has a panel named {' or '.join(baselines)}; name the baseline's panel"
        )
    base = base.drop_duplicates("clip").set_index("clip")
    others = rivals[rivals["clip"].isin(base.index)]
    others = others[others.panel != base.panel.loc[others["clip"]].to_numpy()]
    tables = []
    for metric in (name for name in COMPARED if name in measures):
        value = base[metric].loc[others["clip"]].to_numpy(float)
        table = others[["clip", "driven_by"]].assign(method=others.panel, metric=metric)
        tables.append(table.assign(baseline=value, difference=others[metric].astype(float) - value))
    return pd.concat(tables, ignore_index=True).dropna(subset=["difference"])


def _group_rows(
    group: str, pairs: pd.DataFrame, settings: AuditSettings, seed: int
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for (metric, method), part in pairs.groupby(["metric", "method"], sort=False):
        if len(part) < FEWEST_CLIPS:
            continue
        differences = part.difference.to_numpy(float)
        interval = _interval(differences, settings, seed)
        gains = differences if METRICS[str(metric)].higher else -differences
        rows.append(
            {
                "group": group,
                "metric": metric,
                "method": method,
                "baseline": float(part.baseline.mean()),
                "difference": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "clips": len(part),
                "better_in": int((gains > 0).sum()),
                "p": sign_flip_p(differences),
                "claim": METRICS[str(metric)].claim,
            }
        )
    corrected = holm(np.array([row["p"] for row in rows], float))
    for row, p_holm in zip(rows, corrected, strict=True):
        row["p_holm"] = float(p_holm)
        row["verdict"] = _verdict(row, settings)
    return rows


def _blind_metrics(measures: pd.DataFrame, settings: AuditSettings, seed: int) -> set[str]:
    """Metrics that the unedited sources have, too, and that do not exceed 0 even there."""
    sources, blind = measures[measures.panel == SOURCE], set()
    for metric in (name for name in COMPARED if name in sources):
        values = sources[metric].dropna().to_numpy(float)
        if len(values) < FEWEST_CLIPS:
            continue
        if _interval(values, settings, seed).low <= 0:
            blind.add(metric)
    return blind


def _interval(values: np.ndarray, settings: AuditSettings, seed: int) -> Interval:
    """Mean over clips (N,) with its interval."""
    return cluster_bootstrap(
        values,
        np.arange(len(values)),
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=seed,
    )


def _verdict(row: dict[str, object], settings: AuditSettings) -> str:
    value, low, high, p, p_holm = (
        float(str(row[name])) for name in ("difference", "ci_low", "ci_high", "p", "p_holm")
    )
    better = (value > 0) == METRICS[str(row["metric"])].higher
    if p_holm <= settings.error_rate:
        return "better" if better else "worse"
    if (low > 0 or high < 0) and p <= settings.lean_rate:
        return "leans better" if better else "leans worse"
    return "not clear"


def sign_flip_p(differences: np.ndarray, seed: int = 0) -> float:
    """Two-sided p of the mean of paired differences (N,): each might have had the other sign.

    All 2**N flips are tried up to 14 clips, 20,000 random ones beyond (with the one seen).
    """
    count = len(differences)
    if count <= EXACT_CLIPS:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
    else:
        random = np.random.default_rng(seed)
        signs = random.choice((1.0, -1.0), size=(DRAWS, count))
        signs[0] = 1.0
    means = np.abs(signs @ differences)
    return float((means >= abs(differences.sum()) - 1e-12).mean())


def mean_ranks(measures: pd.DataFrame, baselines: Sequence[str] = BASELINES) -> pd.DataFrame:
    """Mean rank of each method over clips, 1 the best; all baselines count as one method.

    Returns:
        One row a metric, one column a method, and the number of clips in which all are ranked.
    """
    rivals = rival_panels(measures).copy()
    rivals["panel"] = rivals.panel.where(~rivals.panel.isin(baselines), "baseline")
    rows = []
    for metric in (name for name in COMPARED if name in rivals):
        wide = rivals.pivot_table(index="clip", columns="panel", values=metric).dropna()
        ranks = wide.rank(axis=1, ascending=not METRICS[metric].higher)
        rows.append({"metric": metric, **ranks.mean().to_dict(), "clips": len(wide)})
    return pd.DataFrame(rows)


def verdicts(differences: pd.DataFrame, group: str = EVERYTHING) -> pd.DataFrame:
    """What the papers claim beside what is seen: one row a claim, metric and method."""
    part = differences[(differences.group == group) & (differences.claim != "")]
    rows = [
        {
            "the papers": row.claim,
            "here": METRICS[str(row.metric)].title,
            "method": row.method,
            "baseline": f"{row.baseline:.3f}",
            "difference": f"{row.difference:+.3f} [{row.ci_low:+.3f}, {row.ci_high:+.3f}]",
            "better in": f"{row.better_in} of {row.clips}",
            "p (Holm)": f"{row.p:.4f} ({row.p_holm:.3f})",
            "verdict": row.verdict,
        }
        for row in part.sort_values("claim", ascending=False, kind="stable").itertuples()
    ]
    return pd.DataFrame(rows)


def order_seen(differences: pd.DataFrame, group: str = EVERYTHING) -> pd.DataFrame:
    """Whether the papers' order is seen: one row a claim, counting metrics times methods."""
    part = differences[(differences.group == group) & (differences.claim != "")]
    rows = []
    for claim, of_claim in part.groupby("claim", sort=False):
        able = of_claim[of_claim.verdict != CANNOT_TELL]
        higher = able.metric.map(lambda name: METRICS[name].higher)
        agreeing = (able.difference > 0) == higher
        sure, against = (able.verdict == "better").sum(), (able.verdict == "worse").sum()
        lean = (able.verdict == "leans better").sum()
        doubt = (able.verdict == "leans worse").sum()
        if sure and not against + doubt:
            verdict = "seen"
        elif against and not sure + lean:
            verdict = "the opposite is seen"
        elif lean + sure and not against + doubt and agreeing.all():
            verdict = "points that way, not proven"
        else:
            verdict = "not decided"
        rows.append(
            {
                "the papers": claim,
                "comparisons": len(able),
                "in their direction": int(agreeing.sum()),
                "lean": int(lean),
                "proven": int(sure),
                "lean or proven against": int(doubt + against),
                "their order": verdict,
            }
        )
    return pd.DataFrame(rows)
