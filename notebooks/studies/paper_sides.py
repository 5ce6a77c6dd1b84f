"""What was measured in a workspace, and our side of a claim: which of our rows stand beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from spfem.evaluation.differences import method_differences
from spfem.evaluation.estimates import Estimates
from spfem.evaluation.scores import ClipScore
from spfem.evaluation.tables import main_results
from spfem.methods import BASES, METHODS, NED
from spfem.run.metrics import make_temporal_metric
from spfem.run.results import real_samples
from spfem.run.scored_runs import score_all
from spfem.run.workspace import Workspace
from spfem.settings import EMOTIONS
from studies.probes import control_operators, shown_operators
from studies.similarity_table import make_similarity


@dataclass(frozen=True)
class MeasuredTables:
    """Tables of one corpus at one scale; None where a table was not made.

    Attributes:
        corpus: that everything was measured on.
        confidence: of the intervals of all tables.
        results: from `main_results`.
        differences: from `method_differences`, with all its comparisons.
        design: actors, source clips of a setting and seeds behind each base of `differences`.
        similarity: rows of `similarity.csv` of the metrics spatial, temporal_vd and
            spatial_temporal_vd.
        curves: learning record of the metric spatial_temporal_vd by seed.
        control: from `control_operators`.
        manipulator: whose form that has which all methods, plain NED too, start from.
    """

    corpus: str
    confidence: float = 0.95
    results: pd.DataFrame | None = None
    differences: pd.DataFrame | None = None
    design: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    similarity: pd.DataFrame | None = None
    curves: Mapping[int, pd.DataFrame] = field(default_factory=dict)
    control: pd.DataFrame | None = None
    manipulator: str = "this package's"

    @property
    def bases(self) -> tuple[str, ...]:
        """Bases on which methods were compared; one without a name if none were."""
        compared = pd.DataFrame() if self.differences is None else self.differences
        return tuple(dict.fromkeys(compared.get("base", ()))) or ("",)

    def rests_on(self, base: str) -> tuple[int, int, int]:
        """Actors, source clips of a setting and seeds behind a base."""
        return self.design.get(base, (0, 0, 0))


SIMILARITIES = ("spatial", "temporal_vd", "spatial_temporal_vd")
CONTROL = {"channels": 128, "places": 64}  # as in the notebook on temporal correlation


def collect_measured(workspace: Workspace) -> MeasuredTables:
    """Scores of all methods of the scale, similarities, learning records and the control.

    Comparisons are left out where the scale lacks a method.
    """
    scale = workspace.scale
    scores, real = score_all(workspace), real_samples(workspace)
    estimates = Estimates(real, scale.evaluation)
    curves = {}
    for seed in scale.metric_seeds:
        record = make_temporal_metric(workspace, SIMILARITIES[-1], seed).parent / "curve.json"
        curves[seed] = pd.DataFrame(json.loads(record.read_text(encoding="utf-8")))
    similarity = [make_similarity(workspace, name)[0] for name in SIMILARITIES]
    return MeasuredTables(
        workspace.corpus,
        scale.evaluation.confidence,
        results=main_results(scores, real, scale.evaluation, estimates=estimates),
        differences=method_differences(scores, real, scale.evaluation, estimates=estimates),
        design={base: rests_on(scores, base) for base in BASES},
        similarity=pd.concat(similarity, ignore_index=True),
        curves=curves,
        control=control_operators(shown_operators(**CONTROL), **CONTROL),
        manipulator="NED's" if scale.published_manipulator is None else "this package's",
    )


def rests_on(scores: Sequence[ClipScore], base: str) -> tuple[int, int, int]:
    """Actors, source clips of a setting and seeds of the methods of a base."""
    part = [s for s in scores if s.base == base and s.method in METHODS]
    actors, sources, seeds = (
        {get(score) for score in part}
        for get in (lambda s: s.edit.actor, lambda s: s.edit.source, lambda s: s.seed)
    )
    return len(actors), len(sources), len(seeds)


def seed_interval(values: Sequence[float], confidence: float) -> tuple[float, float, float]:
    """Mean over seeds and its interval by Student's t; the ends are NaN with one seed."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return float(array.mean()) if len(array) else np.nan, np.nan, np.nan
    reach = t.ppf((1 + confidence) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return float(array.mean()), float(array.mean() - reach), float(array.mean() + reach)


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

    `low` and `high` are the interval of `value` minus `base`, `freedom` its degrees of freedom;
    `within` and `detectable` are shares of the base: the margin within which equality is shown,
    and the change that would be seen with 80 % power. `probability` answers a claimed count.
    `test` names the comparison, which claims that rest on the same one share; `asked` says in
    plain words what was asked.
    """

    base: float = np.nan
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    why: str = ""
    test: str = ""
    asked: str = ""
    within: float = np.nan
    detectable: float = np.nan
    probability: float = np.nan
    freedom: float = np.inf

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


def of_method(claim: Any, measured: MeasuredTables, base: str) -> Ours:
    """The paired difference of a method to plain NED."""
    return _of_differences(claim, measured, base, OUR_METHODS[claim.addition], NED)


def of_formulation(claim: Any, measured: MeasuredTables, base: str) -> Ours:
    """The paired difference of VD and CM."""
    return _of_differences(claim, measured, base, "ned+stccl_vd", "ned+stccl_cm")


def _find_row(
    claim: Any, measured: MeasuredTables, base: str, method: str, against: str
) -> pd.Series | Ours:
    """The row of `method_differences` that answers a claim, or why there is none."""
    if claim.base != "NED":
        return Ours(why=f"{claim.base} is not part of this package")
    table = measured.differences
    if table is not None and len(table):
        table = table[(table.method == method) & (table.against == against) & (table.base == base)]
    if table is None or table.empty:
        on = f" on base {base}" if base else ""
        return Ours(why=f"{method} was not trained{on} at this scale, or not {against}")
    rows = choose_backbone(table, claim.metric)
    rows = rows[rows.setting == claim.setting]
    if rows.empty or rows.difference.isna().all():
        return Ours(why=f"{OUR_METRICS[claim.metric][0]} was not measured")
    return rows.iloc[0]


def _ask(question: str, measured: MeasuredTables, base: str) -> str:
    """A question in words, with whom it was asked of."""
    actors, clips, seeds = measured.rests_on(base)
    return (
        f"{question}, on {actors} actors and {clips} clips of the corpus {measured.corpus}, "
        f"{seeds} seeds, base {base}, both from one manipulator of {measured.manipulator} form?"
    )


def _of_differences(
    claim: Any, measured: MeasuredTables, base: str, method: str, against: str
) -> Ours:
    row = _find_row(claim, measured, base, method, against)
    if isinstance(row, Ours):
        return row
    seeds = f"{row.seeds} seed" + ("s" if row.seeds > 1 else "")
    word = "raise" if claim.published_value > claim.published_base else "lower"
    question = (
        f"does {METHODS[method].title} {word} {claim.metric} ({row.backbone}) against "
        f"{METHODS[against].title}, {claim.setting}-ID"
    )
    return Ours(
        row.baseline,
        row.baseline + row.difference,
        row.ci_low,
        row.ci_high,
        f"base {base}, with {row.backbone}, {row.clips} edits, {seeds}",
        f"{method} against {against}, {row.metric}, {row.setting}, {base}",
        _ask(question, measured, base),
        row.equivalent_within,
        row.detectable_80,
        freedom=row.freedom,
    )


def count_emotions(claim: Any, measured: MeasuredTables, base: str) -> Ours:
    """How probable it is that a method is better than plain NED in as many emotions."""
    method, count = OUR_METHODS[claim.addition], int(claim.published_value)
    row = _find_row(claim, measured, base, method, NED)
    if isinstance(row, Ours):
        return row
    probability = row[f"at_least_{count}"] if count else 1.0
    if not np.isfinite(probability):
        return Ours(why=f"{OUR_METRICS[claim.metric][0]} was not measured in all emotions")
    question = (
        f"is {METHODS[method].title} better in {claim.metric} ({row.backbone}) than NED in at "
        f"least {count} of {len(EMOTIONS)} emotions, {claim.setting}-ID"
    )
    why = f"base {base}, with {row.backbone}"
    return Ours(why=why, asked=_ask(question, measured, base), probability=float(probability))


def of_similarity(claim: Any, measured: MeasuredTables, base: str = "") -> Ours:
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
    asked = f"{claim.claim}: so too on the {actors} of the corpus {measured.corpus}?"
    if claim.metric == "unmatched":
        row = rows["before", "mismatched_place"]
        why = f"cosine over channels, {actors}, {row['seeds']} seeds"
        ends = row["value"], row["ci_low"], row["ci_high"]
        return Ours(0.0, *ends, why, f"{name}, unmatched, {split}", asked)
    first, second = (rows[side] for side in sides[claim.metric])
    return Ours(
        first["value"],
        second["value"],
        second["ci_low"] - first["ci_high"],
        second["ci_high"] - first["ci_low"],
        f"one definition for all states (cosine over channels), {actors}, {second['seeds']} seeds; "
        "interval from those of both values, so wider than needed",
        f"{name}, {claim.metric}, {split}",
        asked,
    )


def of_training(claim: Any, measured: MeasuredTables, base: str = "") -> Ours:
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
    asked = f"{claim.claim}: so too while our joint metric learns on the corpus {measured.corpus}?"
    test = f"curve, {claim.metric}, {claim.setting}"
    return Ours(first, last, low, high, why, test, asked, freedom=len(ends) - 1)


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
        asked="does the loss of the released transformer on independent noise, untrained, lie at "
        "chance, so that a loss below chance would show learning?",
    )
