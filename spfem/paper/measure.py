"""Our side of a claim: which rows of our tables stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spfem.evaluation.results_schema import AVERAGE
from spfem.paper.inputs import Measured
from spfem.paper.method_claims import GOOD_DIRECTION
from spfem.paper.verdicts import seed_interval
from spfem.settings import EMOTIONS

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
