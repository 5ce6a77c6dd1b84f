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
from spfem.evaluation.tables import AVERAGE, main_results
from spfem.run.edits import MOVED
from spfem.run.metrics import make_similarity, make_temporal_metric
from spfem.run.results import calibrating_methods, real_samples, score_method
from spfem.run.workspace import Workspace
from spfem.settings import EMOTIONS
from studies.paper_claims import GOOD_DIRECTION
from studies.probes import control_operators, shown_operators


@dataclass(frozen=True)
class MeasuredTables:
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


def collect_measured(workspace: Workspace) -> MeasuredTables:
    """Scores of all methods of the scale, similarities, learning records and the control.

    The comparisons with plain NED and of VD with CM are left out where the scale lacks a method.
    """
    scale = workspace.scale
    runs = [(method, 0) for method in calibrating_methods(workspace)]  # nothing is learned for them
    runs += [(method, seed) for method in scale.methods for seed in scale.seeds]
    scores = [score for run in runs for score in score_method(workspace, MOVED, *run)]
    real = real_samples(workspace)

    def differences(methods: tuple[str, ...], baseline: str) -> pd.DataFrame | None:
        if baseline not in scale.methods or len(set(methods) & set(scale.methods)) < 2:
            return None
        chosen = [score for score in scores if score.method in methods]
        return method_differences(chosen, real, scale.evaluation, baseline=baseline)

    curves = {}
    for seed in scale.metric_seeds:
        record = make_temporal_metric(workspace, SIMILARITIES[-1], seed).parent / "curve.json"
        curves[seed] = pd.DataFrame(json.loads(record.read_text(encoding="utf-8")))
    similarity = [make_similarity(workspace, name)[0] for name in SIMILARITIES]
    return MeasuredTables(
        workspace.corpus,
        scale.evaluation.confidence,
        results=main_results(scores, real, scale.evaluation),
        differences=differences(scale.methods, "ned"),
        formulations=differences(FORMULATIONS, FORMULATIONS[1]),
        similarity=pd.concat(similarity, ignore_index=True),
        curves=curves,
        control=control_operators(shown_operators(**CONTROL), **CONTROL),
    )


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

    `low` and `high` are the interval of `value` minus `base`; `test` names the comparison, which
    claims that rest on the same one share.
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


def of_method(claim: Any, measured: MeasuredTables) -> Ours:
    """The paired difference of a method to plain NED."""
    return _of_differences(claim, measured.differences, OUR_METHODS[claim.addition], "NED")


def of_formulation(claim: Any, measured: MeasuredTables) -> Ours:
    """The paired difference of VD and CM."""
    return _of_differences(claim, measured.formulations, "ned+stccl_vd", "NED + STCCL-CM")


def _of_differences(claim: Any, table: pd.DataFrame | None, method: str, against: str) -> Ours:
    if claim.base != "NED":
        return Ours(why=f"{claim.base} is not part of this package")
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


def count_emotions(claim: Any, measured: MeasuredTables) -> Ours:
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


def of_similarity(claim: Any, measured: MeasuredTables) -> Ours:
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


def of_training(claim: Any, measured: MeasuredTables) -> Ours:
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
