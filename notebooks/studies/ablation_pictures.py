"""ASCCL and STCCL taken apart: neighbours, levels, weights; parts, formulation, window, places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.asccl import NEIGHBOURS, LevelComparison, SpatialCoherence, info_nce
from spfem.correlation.frames import FramePairs, FrameWindows, held_steps
from spfem.correlation.learn import formulated, learn_from_frames, train_temporal
from spfem.errors import SettingsError
from spfem.settings import SpatialSettings, TemporalSettings
from spfem.training import Progress
from studies.ablation_stages import Material, Measured, Recipe, ablation_folder, measured_means
from studies.ablation_variants import (
    ALL_NEIGHBOURS,
    LONGEST,
    SHORTEST,
    SPATIAL_ALONE,
    SpatialVariant,
    TemporalVariant,
    Variant,
)
from studies.moment_similarity import (
    Comparison,
    SimilarityScores,
    list_comparisons,
    score_similarity,
)
from studies.probes import gradient_maps, lips_region
from studies.window_similarity import (
    WindowChoice,
    list_window_comparisons,
    score_window_similarity,
)

LIST_SEED = 0


class PartialSpatialCoherence(SpatialCoherence):
    """The loss counts some levels, and some neighbours of each centre; the rest is as it was.

    Args:
        settings: with compat `paper`.
        levels: which count; default all.
        neighbours: numbers in `NEIGHBOUR_OFFSETS` of those that count.

    Raises:
        SettingsError: for released behaviours, or a level or neighbour that does not exist.
    """

    def __init__(
        self,
        settings: SpatialSettings,
        *,
        levels: Sequence[int] | None = None,
        neighbours: Sequence[int] = ALL_NEIGHBOURS,
    ) -> None:
        super().__init__(settings)
        known = range(len(settings.widths))
        self.levels = tuple(known if levels is None else levels)
        self.neighbours = tuple(neighbours)
        if not self.levels or not set(self.levels) <= set(known):
            raise SettingsError(f"levels must be some of {tuple(known)}, found {self.levels}")
        if not self.neighbours or not set(self.neighbours) <= set(ALL_NEIGHBOURS):
            raise SettingsError(
                f"neighbours must be some of {ALL_NEIGHBOURS}, found {self.neighbours}"
            )
        if settings.compat != "paper":
            raise SettingsError(f"a partial metric has compat 'paper', found {settings.compat!r}")

    def total(self, levels: Sequence[LevelComparison]) -> Tensor:
        """Scalar: the losses of the levels that count, summed over the neighbours that count."""
        kept = [levels[number] for number in self.levels]
        if self.neighbours != ALL_NEIGHBOURS:
            kept = [self._with_neighbours(level) for level in kept]
        return super().total(kept)

    def _with_neighbours(self, level: LevelComparison) -> LevelComparison:
        """The comparison with rows of the kept neighbours, which are its only negatives too."""
        query, key, weight = (
            rows.unflatten(-1, (-1, NEIGHBOURS))[..., self.neighbours].flatten(-2)
            for rows in (level.query, level.key, level.weight)
        )
        cross_entropy = info_nce(query, key, self.settings.temperature)
        loss = ((weight * cross_entropy).sum(dim=1) / weight.sum(dim=1)).mean()
        return replace(
            level, query=query, key=key, cross_entropy=cross_entropy, weight=weight, loss=loss
        )


def initial_partial_metric(
    settings: SpatialSettings,
    seed: int,
    *,
    levels: Sequence[int] | None = None,
    neighbours: Sequence[int] = ALL_NEIGHBOURS,
) -> PartialSpatialCoherence:
    """The metric with the initial weights of the spatial metric of the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PartialSpatialCoherence(settings, levels=levels, neighbours=neighbours)


def spatial_settings(material: Material, variant: Variant) -> SpatialSettings:
    """Settings of the spatial metric with the changes of a variant, and the steps of ablations."""
    changes = {**variant.changes, "steps": material.settings.spatial_steps}
    return replace(material.workspace.scale.spatial, **changes)


def learn_partial(
    model: PartialSpatialCoherence,
    train: FramePairs,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress = iter,
) -> PartialSpatialCoherence:
    """Learn in place, as `train_spatial` does, and freeze.

    `folder` keeps the state from which a killed run goes on.
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
            "spatial": spatial_settings(material, variant),
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
    settings = spatial_settings(material, variant)
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
    regions = np.stack([lips_region(faces[pair.target], row.other_frame) for pair, row in rows])
    shares = (gradient_maps(model, shown, source) * regions).sum(axis=(1, 2))
    clusters = np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs])
    return measured_means(shares, clusters)


def temporal_settings(material: Material, variant: TemporalVariant) -> TemporalSettings:
    """Settings of a metric of windows with the changes of a variant, and the steps of ablations.

    All variants learn from initial weights, at the rate of the spatial metric.
    """
    settings = material.workspace.scale.temporal
    rate = settings.spatial.learning_rate
    settings = replace(settings, learning_rate=rate)
    if variant.metric != SPATIAL_ALONE:
        settings = formulated(variant.metric, settings)
    return replace(settings, **{**variant.changes, "steps": material.settings.temporal_steps})


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
            "temporal": temporal_settings(material, variant),
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
    settings = temporal_settings(material, variant)
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
