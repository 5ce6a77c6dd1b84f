"""ASCCL taken apart: neighbours, centres, temperature, levels, adaptive weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from spfem.ablations.material import Material
from spfem.ablations.measured import Measured, measured_means
from spfem.ablations.partial import (
    ALL_NEIGHBOURS,
    CROSS,
    RIGHT,
    RIGHT_AND_DOWN,
    PartialSpatialCoherence,
    initial_partial_metric,
)
from spfem.ablations.recipe import Recipe
from spfem.ablations.table import AblationTable, ablation_folder, no_preparation
from spfem.ablations.variants import DEFAULT, Quantity, Variant
from spfem.correlation.frame_pairs import FrameProvider
from spfem.correlation.learn import SOURCES as SPATIAL_SOURCES
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.similarity import (
    Comparison,
    SimilarityScores,
    list_comparisons,
    score_similarity,
)
from spfem.correlation.training import Outcome, Progress, run_learning
from spfem.evaluation.gradient_map import gradient_maps, mouth_region
from spfem.settings import SpatialSettings

LIST_SEED = 0
STATE_STEPS = 50  # between two saves from which a killed run goes on
MEASURED_STEPS = 3  # for the estimate of time
SOURCES = (
    *SPATIAL_SOURCES,
    "ablations/material.py",
    "ablations/measured.py",
    "ablations/partial.py",
    "ablations/spatial.py",
    "correlation/maps.py",
    "correlation/similarity.py",
    "evaluation/gradient_map.py",
)


@dataclass(frozen=True)
class SpatialVariant(Variant):
    """A variant of the spatial metric; levels and neighbours are those that count."""

    levels: tuple[int, ...] | None = None
    neighbours: tuple[int, ...] = ALL_NEIGHBOURS


def _level(number: int, words: str) -> SpatialVariant:
    what = f"the {words} level alone"
    return SpatialVariant(f"level {number + 1} alone", "levels", what, levels=(number,))


VARIANTS = (
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


def spatial_settings(material: Material, variant: Variant, steps: int) -> SpatialSettings:
    """Settings of the spatial metric with the changes of a variant, and so many steps."""
    return replace(
        material.workspace.scale.spatial,
        **{**variant.changes, "steps": steps, "checkpoint_steps": STATE_STEPS},
    )


def learn_partial(
    model: PartialSpatialCoherence,
    train: FrameProvider,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress = iter,
) -> PartialSpatialCoherence:
    """Learn in place, step by step as `train_spatial` does, and freeze.

    Args:
        model: with initial weights.
        train: frames to learn from.
        seed: of all draws.
        folder: of the state from which a killed run goes on.
        progress: wrapper of the step loop.
    """
    device = next(model.parameters()).device

    def compare(random: np.random.Generator) -> Outcome:
        neutral, emotion = train.draw(model.settings.batch_size, random)
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        query, key = (images_from_frames(frames, device) for frames in (neutral, emotion))
        return Outcome(model.total(model.compare(query, key, generator=generator)))

    run_learning(
        model, compare, None, model.settings,
        seed=seed, name="spatial", folder=folder, progress=progress,
    )  # fmt: skip
    return model.supervise()


def spatial_recipe(material: Material, variant: SpatialVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    scored = material.settings
    return Recipe(
        ablation_folder(material, "spatial", variant.name, seed),
        "ablation of the spatial metric",
        {
            "spatial": spatial_settings(material, variant, material.settings.spatial_steps),
            "levels": variant.levels,
            "neighbours": variant.neighbours,
            "seed": seed,
            "roles": dict(material.corpus.roles),
            "scored": [scored.scored_pairs, scored.comparisons, scored.gradient_moments],
        },
        material.inputs,
        SOURCES,
    )


def measure_spatial(
    material: Material, variant: SpatialVariant, seed: int, folder: Path
) -> dict[str, Measured]:
    """Learn a variant and measure it on actors that it did not see."""
    settings = spatial_settings(material, variant, material.settings.spatial_steps)
    model = initial_partial_metric(
        settings, seed, levels=variant.levels, neighbours=variant.neighbours
    )
    learn_partial(model.to(material.device), material.train, seed=seed, folder=folder)
    moments = list_comparisons(
        material.unseen, material.truths("viseme"), material.settings.comparisons, seed=LIST_SEED
    )
    scores = score_similarity(model, material.unseen, moments)
    model.cpu()
    looked_at = moments[:: max(1, len(moments) // material.settings.gradient_moments)]
    return {
        **similarity_measured(scores, model.levels),
        "mouth_share": _mouth_share(model, material, looked_at),
    }


def similarity_measured(
    scores: SimilarityScores, levels: tuple[int, ...] | None = None
) -> dict[str, Measured]:
    """Speech and place as an ablation measures them, means over `levels` (default all)."""
    matched, speech, place = (
        (part if levels is None else part[:, list(levels)]).mean(axis=1)
        for part in (scores.matched, scores.mismatched_speech, scores.mismatched_place)
    )
    return {
        "speech_auc": Measured(np.stack([matched, speech], axis=1), scores.clusters),
        "speech_gap": measured_means(matched - speech, scores.clusters),
        "place_gap": measured_means(matched - place, scores.clusters),
    }


def _mouth_share(
    model: PartialSpatialCoherence, material: Material, moments: list[Comparison]
) -> Measured:
    """Share of the gradient on the mouth where only the mouth is wrong; see `gradient_map`."""
    unseen, faces = material.unseen, material.faces
    pairs = [unseen.pairs[row.pair] for row in moments]
    rows = list(zip(pairs, moments, strict=True))
    shown = np.stack([unseen.faces[pair.target][row.other_frame] for pair, row in rows])
    source = np.stack([unseen.faces[pair.source][row.source_frame] for pair, row in rows])
    regions = np.stack([mouth_region(faces[pair.target], row.other_frame) for pair, row in rows])
    shares = (gradient_maps(model, shown, source) * regions).sum(axis=(1, 2))
    clusters = np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs])
    return measured_means(shares, clusters)


def _step_seconds(material: Material) -> float:
    settings = spatial_settings(material, VARIANTS[0], MEASURED_STEPS + 1)
    first, model = (
        initial_partial_metric(each, 0).to(material.device)
        for each in (replace(settings, steps=1), settings)
    )
    learn_partial(first, material.train, seed=0)
    started = time.perf_counter()
    learn_partial(model, material.train, seed=0)
    return (time.perf_counter() - started) / (MEASURED_STEPS + 1)


SPATIAL_QUANTITIES = {
    "speech_auc": Quantity("speech AUC ↑", 1, ranks=True),
    "speech_gap": Quantity("same minus other speech ↑", 1),
    "place_gap": Quantity("same minus other place ↑", 1),
}
SPATIAL = AblationTable(
    "spatial",
    "ASCCL, the spatial metric",
    "matched moments of actors that the metric did not learn from",
    VARIANTS,
    {**SPATIAL_QUANTITIES, "mouth_share": Quantity("gradient on the mouth ↑", 1)},
    spatial_recipe,
    measure_spatial,
    no_preparation,
    lambda settings: settings.spatial_steps,
    _step_seconds,
)
