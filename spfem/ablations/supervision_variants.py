"""Variants of the supervision of the manipulator: components left out, and their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from spfem.ablations.variants import DEFAULT, Variant
from spfem.methods import METHODS, Method

CALIBRATION = "calibration"  # component of rows that only give the scale
NED, ALL = "ned", "ned+all"


@dataclass(frozen=True)
class SupervisionVariant(Variant):
    """A method, and factors on the weights of `SupervisionSettings`, by name of the setting.

    `copy` edits nothing: the codes of the source, for calibration.
    """

    method: Method = METHODS[ALL]
    factors: Mapping[str, float] = field(default_factory=dict)
    copy: bool = False


def _without(part: str, method: Method, **factors: float) -> SupervisionVariant:
    return SupervisionVariant(
        f"all but {part}", f"{part} left out", f"everything but {part}",
        method=method, factors=factors,
    )  # fmt: skip


def _weighted(
    method: str, component: str, *names: str, factors: tuple[float, ...] = (0.3, 1.0, 3.0)
) -> tuple[SupervisionVariant, ...]:
    title = METHODS[method].title.removeprefix("NED + ")
    return tuple(
        SupervisionVariant(
            f"{title} x {factor:g}",
            component,
            f"{METHODS[method].title}, {factor:g} times its weight",
            against="NED",
            method=METHODS[method],
            factors=dict.fromkeys(names, factor),
        )
        for factor in factors
    )


_EVERYTHING = METHODS[ALL]
_PAIRS = ("manipulator_paired", "manipulator_consistency")
VARIANTS = (
    SupervisionVariant(DEFAULT, "", "NED + all, the weights of the scale"),
    SupervisionVariant("NED", "all supervision", "none of it", method=METHODS[NED]),
    SupervisionVariant(
        "copy of the source",
        CALIBRATION,
        "no edit",
        against="NED",
        method=METHODS[NED],
        copy=True,
    ),
    _without("ASCCL", replace(_EVERYTHING, spatial=False)),
    _without("temporal VD", replace(_EVERYTHING, temporal=("temporal_cm",))),
    _without("temporal CM", replace(_EVERYTHING, temporal=("temporal_vd",))),
    _without("SCMCL", replace(_EVERYTHING, paired=False)),
    _without("retrieved pairs", _EVERYTHING, manipulator_paired=0.0),
    _without("distance consistency", _EVERYTHING, manipulator_consistency=0.0),
    *_weighted("ned+asccl", "weight of ASCCL", "manipulator_spatial"),
    *_weighted("ned+stccl_vd", "weight of STCCL", "manipulator_temporal"),
    *_weighted("ned+scmcl", "weight of SCMCL", *_PAIRS),
)
