"""Do the printed gains of FAD and CSIM come from a face network, and not from speech?

The released code compares a renderer's reconstruction with its own ground truth, by a metric that
grew on a face-recognition backbone: a perceptual loss, which says nothing of speech. If that is
where the gains are from, then on the published renderer

* the released form gains in what shows a person (FAD, CSIM) and not in speech,
* plain features of a free identity network, with the same weight and steps, gain the same, and
* the form that the papers describe does not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.methods import NED
from studies.paper_sides import OUR_METRICS, choose_backbone

BASE = "ned"  # whose renderer is supervised
DESCRIBED, RELEASED, IDENTITY = "ned+asccl", "ned+asccl_released", "ned+identity"
FORMS = {
    DESCRIBED: "as described",
    RELEASED: "as released",
    IDENTITY: "identity features",
    "ned+untrained": "untrained metric",
}
APPEARANCE, SPEECH = ("fad", "csim"), ("lse_d", "mouth_error")
SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "undecided"
COLUMNS = (
    "setting", "form", "method", "against", "metric", "backbone", "difference", "ci_low", "ci_high",
    "relative_difference", "detectable_80", "told",
)  # fmt: skip


def hypothesis_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Rows of `method_differences` that the hypothesis asks for, with `COLUMNS`.

    Every form against plain NED, and the released form against the others; `told` is `better`,
    `worse` or `no clear change`.
    """
    part = differences[(differences.base == BASE) & differences.method.isin(list(FORMS))]
    part = part[part.against.isin([NED, *FORMS])]
    near = [choose_backbone(part, metric) for metric in OUR_METRICS]
    part = pd.concat([*near, part[part.metric == "mouth_error"]])
    part = part[part.metric.isin([*APPEARANCE, *SPEECH])]
    told = np.where(part.better.astype(bool), "better", "worse")
    part = part.assign(
        form=part.method.map(FORMS),
        told=np.where(part.clear.astype(bool), told, "no clear change"),
    )
    order = {metric: place for place, metric in enumerate(HIGHER_IS_BETTER)}
    part = part.sort_values("metric", key=lambda names: names.map(order), kind="stable")
    return part[list(COLUMNS)].reset_index(drop=True)


def answer_hypothesis(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """By setting, the verdict on the hypothesis and a sentence that says why.

    Args:
        table: from `hypothesis_table`.

    Returns:
        Verdicts are `SUPPORTED`, `CONTRADICTED` or `OPEN`; empty where no form was made.
    """
    answers = {}
    for setting, part in table.groupby("setting", sort=False):
        verdict, why = _judge(part)
        numbers = "; ".join(
            f"{FORMS[str(method)]}: "
            + ", ".join(
                f"{row.metric} {row.relative_difference:+.1%} ({row.told})"
                for row in rows.itertuples()
            )
            for method, rows in part[part.against == NED].groupby("method", sort=False)
        )
        answers[str(setting)] = (
            verdict,
            f"{setting}-ID: {verdict}, since {why}. Against NED, {numbers}.",
        )
    return answers


def _judge(part: pd.DataFrame) -> tuple[str, str]:
    told = part.set_index(["method", "against", "metric"]).told.to_dict()
    missing = [FORMS[name] for name in (DESCRIBED, RELEASED, IDENTITY)
               if (name, NED, APPEARANCE[0]) not in told]  # fmt: skip
    if missing:
        return OPEN, f"there is no run {' and '.join(missing)}"

    def better(method: str, metrics: tuple[str, ...], against: str = NED) -> list[str]:
        return [metric for metric in metrics if told.get((method, against, metric)) == "better"]

    gains = better(RELEASED, APPEARANCE)
    if not gains:
        if all(told[RELEASED, NED, metric] == "worse" for metric in APPEARANCE):
            return CONTRADICTED, "the released form makes FAD and CSIM worse"
        return OPEN, "the released form gains clearly neither in FAD nor in CSIM"
    named = " and ".join(gains)
    speech = better(RELEASED, SPEECH)
    if speech:
        return (
            CONTRADICTED,
            f"the released form gains in {' and '.join(speech)} too, which is speech",
        )
    again = better(DESCRIBED, tuple(gains))
    if again:
        return OPEN, f"the form as described gains in {' and '.join(again)} as well"
    copied = better(IDENTITY, tuple(gains))
    if copied == gains:
        return SUPPORTED, (
            f"the released form and plain identity features both gain in {named}, the form as "
            "described does not, and the released form gains nothing in speech"
        )
    if not copied and better(RELEASED, tuple(gains), IDENTITY) == gains:
        return (
            CONTRADICTED,
            f"the released form gains in {named}, clearly more than identity features",
        )
    return OPEN, f"identity features cannot be told from the released form in {named}, nor from NED"
