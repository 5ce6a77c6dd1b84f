"""STCCL taken apart: parts, formulation, window, places, weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from spfem.ablations.material import Material
from spfem.ablations.measured import Measured
from spfem.ablations.partial import initial_partial_metric
from spfem.ablations.recipe import Recipe
from spfem.ablations.spatial import (
    LIST_SEED,
    learn_partial,
    similarity_measured,
)
from spfem.ablations.table import ablation_folder
from spfem.ablations.temporal_variants import LONGEST, SHORTEST, SPATIAL_ALONE, TemporalVariant
from spfem.correlation.similarity import Comparison, score_similarity
from spfem.correlation.temporal_training import formulated, train_temporal
from spfem.correlation.window_similarity import (
    WindowChoice,
    list_window_comparisons,
    score_window_similarity,
)
from spfem.correlation.windows import FrameWindows, held_steps
from spfem.settings import SpatialSettings, TemporalSettings


def temporal_settings(material: Material, variant: TemporalVariant, steps: int) -> TemporalSettings:
    """Settings of a metric of windows with the changes of a variant, and so many steps."""
    settings = material.workspace.scale.temporal
    if variant.metric != SPATIAL_ALONE:
        settings = formulated(variant.metric, settings)
    return replace(settings, **{**variant.changes, "steps": steps})


def _single_frames(settings: TemporalSettings) -> SpatialSettings:
    """The spatial part alone: as many frames a step, learned as the joint metric is."""
    return replace(
        settings.spatial,
        batch_size=settings.batch_size * settings.window_frames,
        learning_rate=settings.learning_rate,
        decay_share=settings.decay_share,
        steps=settings.steps,
    )


def temporal_recipe(material: Material, variant: TemporalVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    return Recipe(
        ablation_folder(material, "temporal", variant.name, seed),
        "ablation of the temporal metric",
        {
            "metric": variant.metric,
            "temporal": temporal_settings(material, variant, material.settings.temporal_steps),
            "seed": seed,
            "roles": dict(material.corpus.roles),
            "scored": [material.settings.scored_pairs, material.settings.comparisons],
        },
        material.inputs,
        (measure_temporal,),
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
    settings = temporal_settings(material, variant, material.settings.temporal_steps)
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
