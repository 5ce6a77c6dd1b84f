"""ASCCL taken apart: neighbours, centres, temperature, levels, adaptive weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from spfem.ablations.material import Material
from spfem.ablations.measured import Measured, measured_means
from spfem.ablations.partial import (
    PartialSpatialCoherence,
    initial_partial_metric,
)
from spfem.ablations.recipe import Recipe
from spfem.ablations.spatial_variants import SpatialVariant
from spfem.ablations.table import ablation_folder
from spfem.ablations.variants import Variant
from spfem.correlation.frame_pairs import FrameProvider
from spfem.correlation.similarity import (
    Comparison,
    SimilarityScores,
    list_comparisons,
    score_similarity,
)
from spfem.correlation.training import learn_from_frames
from spfem.evaluation.gradient_map import gradient_maps, mouth_region
from spfem.settings import SpatialSettings
from spfem.training import Progress

LIST_SEED = 0


def spatial_settings(material: Material, variant: Variant, steps: int) -> SpatialSettings:
    """Settings of the spatial metric with the changes of a variant, and so many steps."""
    return replace(
        material.workspace.scale.spatial,
        **{**variant.changes, "steps": steps},
    )


def learn_partial(
    model: PartialSpatialCoherence,
    train: FrameProvider,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress = iter,
) -> PartialSpatialCoherence:
    """Learn in place, as `train_spatial` does, and freeze.

    Args:
        model: with initial weights.
        train: frames to learn from.
        seed: of all draws.
        folder: of the state from which a killed run goes on.
        progress: wrapper of the step loop.
    """
    learn_from_frames(model, train, None, seed=seed, folder=folder, progress=progress)
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
        (measure_spatial,),
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
