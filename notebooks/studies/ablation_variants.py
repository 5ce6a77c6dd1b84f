"""What an ablation table is made of: variants that differ from the default in one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from spfem.correlation.asccl import NEIGHBOUR_OFFSETS, NEIGHBOURS
from spfem.correlation.scmcl import Visual
from spfem.errors import SettingsError
from spfem.methods import METHODS, Method
from spfem.run.metrics import DIRECT_WEIGHT

DEFAULT = "default"


@dataclass(frozen=True)
class Variant:
    """One row of an ablation table, compared with the variant named `against`.

    Folders are named after `name`; `component` is the part of the paper that is changed, `what` the
    change in words, `changes` those of the settings that learn.
    """

    name: str
    component: str
    what: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    against: str = DEFAULT


@dataclass(frozen=True)
class Quantity:
    """What variants are measured by.

    Attributes:
        label: for figures and tables.
        better: 1 where higher is better, -1 where lower is, 0 where neither is.
        ranks: the value is the chance that a right score exceeds a wrong one (AUC), not a mean.
        wins_of: the value is how often the right score exceeds the wrong one of the same
            observation, from the scores of this quantity.
        factor: by which a mean is multiplied to be read easily, 100 for percent.
    """

    label: str
    better: int
    ranks: bool = False
    wins_of: str = ""
    factor: float = 1.0


V = TypeVar("V", bound=Variant)


def find_variant(variants: Sequence[V], name: str) -> V:
    """The variant of a name.

    Raises:
        SettingsError: if there is none.
    """
    for variant in variants:
        if variant.name == name:
            return variant
    known = ", ".join(variant.name for variant in variants)
    raise SettingsError(f"there is no variant {name!r}; choose one of {known}")


def first_variants(variants: Sequence[V], count: int | None) -> tuple[V, ...]:
    """The first `count` variants (None: all), and those that they are compared with."""
    kept = variants[:count]
    needed = {variant.against for variant in kept} | {variant.name for variant in kept}
    return tuple(variant for variant in variants if variant.name in needed)


@dataclass(frozen=True)
class CrossModalVariant(Variant):
    """A variant of the metric of sound and what is seen, after stage A or without it."""

    visual: Visual = "expression"
    stage_a: bool = True


CROSS_MODAL_VARIANTS = (
    CrossModalVariant(DEFAULT, "",
                      "expressions, stages A and B, distances held to each other, 2 frames fused"),
    CrossModalVariant("no consistency", "consistency", "each modality for itself",
                      {"consistency_weight": 0.0}),
    CrossModalVariant("consistency x 10", "consistency", "10 times the weight",
                      {"consistency_weight": 10.0}),
    CrossModalVariant("softmax consistency", "consistency", "of similarities (LSCMC)",
                      {"consistency": "softmax"}),
    CrossModalVariant("neighbours negative", "masked negatives",
                      "frames next to the positive count as negatives",
                      {"false_negative_frames": 0}),
    CrossModalVariant("wider mask", "masked negatives", "3 frames on each side masked",
                      {"false_negative_frames": 3}),
    CrossModalVariant("1 frame", "fusion of frames", "nothing is fused", {"frames": 1}),
    CrossModalVariant("4 frames", "fusion of frames", "4 frames are fused", {"frames": 4}),
    CrossModalVariant("no stage A", "stage A", "two modalities from the start", stage_a=False),
    CrossModalVariant("image", "what is seen", "face pictures, not expressions", visual="image"),
    CrossModalVariant("direct term (ours)", "our extension", "sound is also compared with vision",
                      {"direct_weight": DIRECT_WEIGHT}),
)  # fmt: skip


@dataclass(frozen=True)
class RetrievalVariant(Variant):
    """Another threshold or number of pairs; `blind` draws as many windows without listening."""

    blind: bool = False


def _threshold(value: float, words: str) -> RetrievalVariant:
    return RetrievalVariant(f"threshold {value:g}", "threshold", words, {"threshold": value})


def _pairs(count: int) -> RetrievalVariant:
    what = f"the nearest {count} windows" if count > 1 else "the nearest window only"
    return RetrievalVariant(f"top {count}", "number of pairs", what, {"top_k": count})


RETRIEVAL_VARIANTS = (
    RetrievalVariant(DEFAULT, "", "audio distance up to 2, the nearest 10 windows"),
    _threshold(0.5, "only what sounds nearly equal"),
    _threshold(1.0, "half the distance"),
    _threshold(4.0, "twice the distance"),
    RetrievalVariant("no threshold", "threshold", "whatever sounds nearest", {"threshold": 1000.0}),
    _pairs(1),
    _pairs(3),
    _pairs(30),
    RetrievalVariant("blind", "sound", "10 windows drawn without listening", blind=True),
)
ALL_NEIGHBOURS = tuple(range(NEIGHBOURS))
CROSS = tuple(n for n, step in enumerate(NEIGHBOUR_OFFSETS) if 0 in step)
RIGHT_AND_DOWN = tuple(n for n, step in enumerate(NEIGHBOUR_OFFSETS) if step in ((0, 1), (1, 0)))
RIGHT = tuple(n for n, step in enumerate(NEIGHBOUR_OFFSETS) if step == (0, 1))


@dataclass(frozen=True)
class SpatialVariant(Variant):
    """A variant of the spatial metric; levels and neighbours are those that count."""

    levels: tuple[int, ...] | None = None
    neighbours: tuple[int, ...] = ALL_NEIGHBOURS


def _level(number: int, words: str) -> SpatialVariant:
    what = f"the {words} level alone"
    return SpatialVariant(f"level {number + 1} alone", "levels", what, levels=(number,))


SPATIAL_VARIANTS = (
    SpatialVariant(DEFAULT, "", "8 neighbours, all levels, adaptive weights, temperature 0.07"),
    SpatialVariant(
        "uniform weights",
        "adaptive weights",
        "every pair of places counts alike",
        {"adaptive": False},
    ),
    SpatialVariant("4 neighbours", "neighbours", "left, right, above, below", neighbours=CROSS),
    SpatialVariant("2 neighbours", "neighbours", "right and below", neighbours=RIGHT_AND_DOWN),
    SpatialVariant("1 neighbour", "neighbours", "right", neighbours=RIGHT),
    SpatialVariant("centres / 4", "centres", "8, 4, 2, 2 centres", {"centres": (8, 4, 2, 2)}),
    SpatialVariant("centres x 2", "centres", "64, 32, 16, 8 centres", {"centres": (64, 32, 16, 8)}),
    SpatialVariant("temperature 0.02", "temperature", "sharper softmax", {"temperature": 0.02}),
    SpatialVariant("temperature 0.2", "temperature", "softer softmax", {"temperature": 0.2}),
    SpatialVariant("temperature 0.5", "temperature", "softer still", {"temperature": 0.5}),
    _level(0, "finest"),
    _level(1, "second"),
    _level(2, "third"),
    _level(3, "coarsest"),
)
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
    method: str, component: str, factors: tuple[float, ...] = (0.3, 1.0, 3.0)
) -> tuple[SupervisionVariant, ...]:
    title = METHODS[method].title.removeprefix("NED + ")
    return tuple(
        SupervisionVariant(
            f"{title} x {factor:g}",
            component,
            f"{METHODS[method].title}, {factor:g} times its share of the gradient",
            against="NED",
            method=METHODS[method],
            factors={"gradient_share": factor},
        )
        for factor in factors
    )


_EVERYTHING = METHODS[ALL]
SUPERVISION_VARIANTS = (
    SupervisionVariant(DEFAULT, "", "NED + all, the weights of the scale"),
    SupervisionVariant("NED", "all supervision", "none of it", method=METHODS[NED]),
    SupervisionVariant(
        "copy of the source", CALIBRATION, "no edit", against="NED", method=METHODS[NED], copy=True
    ),
    _without("ASCCL", replace(_EVERYTHING, pictures=("temporal_vd", "temporal_cm"))),
    _without("temporal VD", replace(_EVERYTHING, pictures=("spatial", "temporal_cm"))),
    _without("temporal CM", replace(_EVERYTHING, pictures=("spatial", "temporal_vd"))),
    _without("SCMCL", replace(_EVERYTHING, paired=False)),
    _without("retrieved pairs", _EVERYTHING, manipulator_paired=0.0),
    _without("distance consistency", _EVERYTHING, manipulator_consistency=0.0),
    *_weighted("ned+asccl", "share of ASCCL"),
    *_weighted("ned+stccl_vd", "share of STCCL"),
    *_weighted("ned+scmcl", "share of SCMCL"),
)
JOINT, ALONE = "spatial_temporal_vd", "temporal_vd"
SPATIAL_ALONE = "spatial"
SHORTEST, LONGEST = 3, 9  # windows, in steps of the path; odd, so that all share their middle


@dataclass(frozen=True)
class TemporalVariant(Variant):
    """A variant of a metric of `TEMPORAL_METRICS`, or `spatial`: single frames alone."""

    metric: str = JOINT


TEMPORAL_VARIANTS = (
    TemporalVariant(DEFAULT, "", "spatial and temporal part, differences (VD), 8 frames"),
    TemporalVariant("temporal alone", "spatial and temporal part", "what changes over time",
                    metric=ALONE),
    TemporalVariant("spatial alone", "spatial and temporal part", "single frames, as many a step",
                    metric=SPATIAL_ALONE),
    TemporalVariant("CM", "formulation", "correlation matrices, both parts",
                    metric="spatial_temporal_cm"),
    TemporalVariant("CM, temporal alone", "formulation", "correlation matrices over time",
                    metric="temporal_cm"),
    TemporalVariant("3 frames", "window", "windows of 3", {"window_frames": SHORTEST}),
    TemporalVariant("9 frames", "window", "windows of 9", {"window_frames": LONGEST}),
    TemporalVariant("all differences", "frame pairs", "all pairs of frames",
                    {"frame_pairs": "all"}),
    TemporalVariant("places / 4", "places", "64, 32, 16, 4 places", {"places": (64, 32, 16, 4)}),
    TemporalVariant("adaptive over time", "adaptive weights", "weights also over time",
                    {"adaptive": True}),
    TemporalVariant("temporal x 0.3", "weight of the temporal part", "0.3 of it",
                    {"temporal_weight": 0.3}),
    TemporalVariant("temporal x 3", "weight of the temporal part", "3 times it",
                    {"temporal_weight": 3.0}),
)  # fmt: skip
