"""Variants of the metric of windows: parts, formulation, window, places, weights."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.ablations.variants import DEFAULT, Variant

JOINT, ALONE = "spatial_temporal_vd", "temporal_vd"
SPATIAL_ALONE = "spatial"
SHORTEST, LONGEST = 3, 9  # windows, in steps of the path; odd, so that all share their middle


@dataclass(frozen=True)
class TemporalVariant(Variant):
    """A variant of a metric of `TEMPORAL_METRICS`, or `spatial`: single frames alone."""

    metric: str = JOINT


VARIANTS = (
    TemporalVariant(DEFAULT, "", "spatial and temporal part, differences (VD), 5 frames"),
    TemporalVariant(
        "temporal alone", "spatial and temporal part", "what changes over time", metric=ALONE
    ),
    TemporalVariant(
        "spatial alone",
        "spatial and temporal part",
        "single frames, as many a step",
        metric=SPATIAL_ALONE,
    ),
    TemporalVariant(
        "CM", "formulation", "correlation matrices, both parts", metric="spatial_temporal_cm"
    ),
    TemporalVariant(
        "CM, temporal alone", "formulation", "correlation matrices over time", metric="temporal_cm"
    ),
    TemporalVariant("3 frames", "window", "windows of 3", {"window_frames": SHORTEST}),
    TemporalVariant("9 frames", "window", "windows of 9", {"window_frames": LONGEST}),
    TemporalVariant(
        "all differences", "frame pairs", "all pairs of frames", {"frame_pairs": "all"}
    ),
    TemporalVariant("places / 4", "places", "64, 32, 16, 4 places", {"places": (64, 32, 16, 4)}),
    TemporalVariant(
        "adaptive over time", "adaptive weights", "weights also over time", {"adaptive": True}
    ),
    TemporalVariant(
        "temporal x 0.3", "weight of the temporal part", "0.3 of it", {"temporal_weight": 0.3}
    ),
    TemporalVariant(
        "temporal x 3", "weight of the temporal part", "3 times it", {"temporal_weight": 3.0}
    ),
)
