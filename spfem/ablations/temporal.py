"""STCCL taken apart: parts, formulation, window, places, weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spfem.ablations.material import Material
from spfem.ablations.measured import Measured
from spfem.ablations.partial import initial_partial_metric
from spfem.ablations.recipe import Recipe
from spfem.ablations.spatial import (
    LIST_SEED,
    MEASURED_STEPS,
    SPATIAL_QUANTITIES,
    STATE_STEPS,
    learn_partial,
    similarity_measured,
)
from spfem.ablations.spatial import SOURCES as SPATIAL_SOURCES
from spfem.ablations.table import AblationTable, ablation_folder, no_preparation
from spfem.ablations.variants import DEFAULT, Variant
from spfem.correlation.learn_temporal import SOURCES as TEMPORAL_SOURCES
from spfem.correlation.similarity import Comparison, score_similarity
from spfem.correlation.temporal_training import formulated, train_temporal
from spfem.correlation.window_similarity import (
    WindowChoice,
    list_window_comparisons,
    score_window_similarity,
)
from spfem.correlation.windows import FrameWindows, held_steps
from spfem.settings import SpatialSettings, TemporalSettings

JOINT, ALONE = "spatial_temporal_vd", "temporal_vd"
SPATIAL_ALONE = "spatial"
SHORTEST, LONGEST = 3, 9  # windows, in steps of the path; odd, so that all share their middle
SOURCES = (
    *dict.fromkeys((*TEMPORAL_SOURCES, *SPATIAL_SOURCES)),
    "ablations/temporal.py",
    "correlation/dense_windows.py",
    "correlation/window_similarity.py",
)


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


def _temporal_settings(
    material: Material, variant: TemporalVariant, steps: int
) -> TemporalSettings:
    settings = material.workspace.scale.temporal
    if variant.metric != SPATIAL_ALONE:
        settings = formulated(variant.metric, settings)
    return replace(settings, **{**variant.changes, "steps": steps, "checkpoint_steps": STATE_STEPS})


def _single_frames(settings: TemporalSettings) -> SpatialSettings:
    """The spatial part alone: as many frames a step, learned as the joint metric is."""
    return replace(
        settings.spatial,
        batch_size=settings.batch_size * settings.window_frames,
        learning_rate=settings.learning_rate,
        decay_share=settings.decay_share,
        steps=settings.steps,
        checkpoint_steps=settings.checkpoint_steps,
    )


def temporal_recipe(material: Material, variant: TemporalVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    return Recipe(
        ablation_folder(material, "temporal", variant.name, seed),
        "ablation of the temporal metric",
        {
            "metric": variant.metric,
            "temporal": _temporal_settings(material, variant, material.settings.temporal_steps),
            "seed": seed,
            "roles": dict(material.corpus.roles),
            "scored": [material.settings.scored_pairs, material.settings.comparisons],
        },
        material.inputs,
        SOURCES,
    )


def common_moments(material: Material) -> list[WindowChoice]:
    """Windows of `LONGEST` steps whose middle `SHORTEST` steps move, in every comparison.

    So windows of any length between can be cut from them, and all variants answer the same
    questions.
    """
    windows = FrameWindows(material.unseen, LONGEST)
    choices = list_window_comparisons(
        windows, material.truths("viseme"), material.settings.comparisons, seed=LIST_SEED
    )
    shift = (LONGEST - SHORTEST) // 2

    def held(choice: WindowChoice, start: int) -> np.ndarray:
        path = material.unseen.pairs[choice.pair].path
        return held_steps(path[start + shift : start + shift + SHORTEST])

    kept = []
    for choice in choices:
        own, other = held(choice, choice.start), held(choice, choice.other_start)
        still = own.any(axis=1).all() or (own[:, 0] | other[:, 1]).all()
        if not still:
            kept.append(choice)
    return kept


def cut_windows(choices: list[WindowChoice], window_frames: int) -> list[WindowChoice]:
    """The same moments as shorter windows around the same middle."""
    shift = (LONGEST - window_frames) // 2
    return [
        replace(choice, start=choice.start + shift, other_start=choice.other_start + shift)
        for choice in choices
    ]


def middle_frames(material: Material, choices: list[WindowChoice]) -> list[Comparison]:
    """The middle frames of the windows, for a metric of single frames."""
    middle = LONGEST // 2
    rows = []
    for choice in choices:
        path = material.unseen.pairs[choice.pair].path
        (source, target), other = path[choice.start + middle], path[choice.other_start + middle, 1]
        rows.append(Comparison(choice.pair, int(source), int(target), int(other)))
    return rows


def measure_temporal(
    material: Material, variant: TemporalVariant, seed: int, folder: Path
) -> dict[str, Measured]:
    """Learn a variant and measure it on actors that it did not see."""
    settings = _temporal_settings(material, variant, material.settings.temporal_steps)
    moments = common_moments(material)
    if variant.metric == SPATIAL_ALONE:
        model = initial_partial_metric(_single_frames(settings), seed).to(material.device)
        learn_partial(model, material.train, seed=seed, folder=folder)
        frames = middle_frames(material, moments)
        return similarity_measured(score_similarity(model, material.unseen, frames))
    train = FrameWindows(material.train, settings.window_frames)
    learned = train_temporal(
        variant.metric, train, None, settings, seed=seed, device=material.device, folder=folder
    )
    windows = FrameWindows(material.unseen, settings.window_frames)
    cut = cut_windows(moments, settings.window_frames)
    return similarity_measured(score_window_similarity(learned.model.supervise(), windows, cut))


def _step_seconds(material: Material) -> float:
    settings = _temporal_settings(material, VARIANTS[0], MEASURED_STEPS)
    train = FrameWindows(material.train, settings.window_frames)
    device = material.device
    train_temporal(JOINT, train, None, replace(settings, steps=1), seed=0, device=device)
    started = time.perf_counter()
    train_temporal(JOINT, train, None, settings, seed=0, device=device)
    return (time.perf_counter() - started) / MEASURED_STEPS


TEMPORAL = AblationTable(
    "temporal",
    "STCCL, the metric of windows",
    "matched windows of actors that the metric did not learn from",
    VARIANTS,
    SPATIAL_QUANTITIES,
    temporal_recipe,
    measure_temporal,
    no_preparation,
    lambda settings: settings.temporal_steps,
    _step_seconds,
)
