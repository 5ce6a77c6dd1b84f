"""Released defects: those seen in using one learned metric, and those that change what is learned.

The measures of the former give, for every drawn pair of frames, the quantity as the released code
has it and as it should be. The latter are learned with and without. Both make `defects.csv`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from spfem.correlation.asccl import SpatialCoherence, neighbour_disparities, normalise_channels
from spfem.correlation.frames import FramePairs
from spfem.correlation.images import images_from_frames, prepare_images
from spfem.correlation.learn import frame_pairs_of_role
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.similarity import (
    matched_similarity,
    mismatched_similarity,
    released_similarity,
)
from spfem.correlation.sound import frames_of_roles
from spfem.errors import ShapeError
from spfem.run.data import make_corpus, make_faces, make_pairs, read_clocks, read_visemes
from spfem.run.metrics import (
    clip_signals,
    cross_modal_settings,
    make_cross_modal_metric,
    make_spatial_metric,
    make_temporal_metric,
)
from spfem.run.workspace import Workspace
from spfem.settings import EvaluationSettings
from spfem.statistics import cluster_bootstrap, mean_of_rows
from studies.moment_retrieval import score_directions, scored_pairs
from studies.moment_similarity import QUANTITIES, SimilarityScores, quantity_columns, statistic_of
from studies.similarity_table import load_metric, similarity_scorer

BATCH = 4  # frames of a released supervision step
BATCHES = 12
COLUMNS = (
    "defect", "metric", "quantity", "released", "corrected", "difference", "ci_low", "ci_high",
    "seeds", "steps", "what",
)  # fmt: skip
"""Columns of `defects.csv`; the interval is that of the difference."""


Measure = Callable[[SpatialCoherence, Tensor, Tensor, torch.Generator], tuple[float, float]]
"""A quantity as released and as corrected, of query and key images (B, 3, H, W)."""


class UseDefect(NamedTuple):
    """A released behaviour and how to see it."""

    name: str
    quantity: str
    what: str
    measure: Measure


def _score_axis(
    metric: SpatialCoherence, query: Tensor, key: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    levels = metric.compare(query, key, generator=generator)
    released = [
        released_similarity(
            level.query, level.key, torch.randperm(level.query.shape[2], generator=generator)
        )[0]
        for level in levels
    ]
    matched = [matched_similarity(level.query, level.key).mean() for level in levels]
    return float(torch.stack(released).mean()), float(torch.stack(matched).mean())


def _shuffled_channels(
    metric: SpatialCoherence, query: Tensor, key: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    size = metric.settings.image_size
    maps = [metric.resnet50(prepare_images(images, size)) for images in (query, key)]
    centres = metric.draw_centres(maps[0], generator)
    released, corrected = [], []
    for features, others, places in zip(*maps, centres, strict=True):
        first, second = (
            normalise_channels(neighbour_disparities(side, places)) for side in (features, others)
        )
        order = torch.randperm(first.shape[1], generator=generator)
        released.append((first * second[:, order]).sum(dim=1).mean())
        corrected.append(mismatched_similarity(first, second).mean())
    return float(torch.stack(released).mean()), float(torch.stack(corrected).mean())


def _swapped_colours(
    metric: SpatialCoherence, query: Tensor, key: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    state = generator.get_state()
    values = []
    for images in ((query.flip(1), key.flip(1)), (query, key)):
        generator.set_state(state)
        levels = metric.compare(*images, generator=generator)
        matched = [matched_similarity(level.query, level.key).mean() for level in levels]
        values.append(float(torch.stack(matched).mean()))
    return values[0], values[1]


def _training_mode(
    metric: SpatialCoherence, query: Tensor, key: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    """Change of the loss of one pair when its neighbours in the batch change, as a share."""
    state = {name: value.clone() for name, value in metric.state_dict().items()}
    half = len(query) // 2
    changes = []
    centres = metric.draw_centres(
        metric.resnet50(prepare_images(query, metric.settings.image_size)), generator
    )
    for training in (True, False):
        torch.nn.Module.train(metric, training)  # as the released renderer leaves it
        losses = []
        for others in (slice(1, half), slice(half, None)):
            images = [torch.cat([side[:1], side[others]]) for side in (query, key)]
            levels = metric.compare(*images, centres=centres)
            losses.append(sum(float(level.cross_entropy[0].mean()) for level in levels))
        changes.append(abs(losses[0] - losses[1]) / max(losses))
    metric.load_state_dict(state)
    metric.eval()
    return changes[0], changes[1]


@torch.enable_grad()
def _swapped_arguments(
    metric: SpatialCoherence, query: Tensor, key: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    generated, source = key, query
    norms = []
    for first, second in ((source, generated), (generated, source)):
        wanted = generated.clone().requires_grad_()
        images = [wanted if side is generated else side for side in (first, second)]
        # The released call with the source first: its keys carry no gradient.
        images[1] = images[1].detach()
        loss = metric.total(metric.compare(*images, generator=generator))
        gradient = None
        if loss.requires_grad:
            (gradient,) = torch.autograd.grad(loss, wanted, allow_unused=True)
        norms.append(0.0 if gradient is None else float(gradient.norm()))
    return norms[0], norms[1]


@torch.enable_grad()
def _held_frames(
    metric: SpatialCoherence, query: Tensor, key: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    """Share of finite gradients behind differences over time of which one frame is held."""
    size = metric.settings.image_size
    shares = []
    for safe in (False, True):
        images = query[:1].clone().requires_grad_()
        features = metric.resnet50(prepare_images(torch.cat([images, images]), size))[0]
        difference = (features[:1] - features[1:]).flatten(2)
        if safe:
            unit = normalise_channels(difference)
        else:
            unit = difference / (difference.square().sum(dim=1, keepdim=True).sqrt() + 1e-7)
        (gradient,) = torch.autograd.grad(unit.sum(), images)
        shares.append(float(gradient.isfinite().double().mean()))
    return shares[0], shares[1]


USE_DEFECTS: tuple[UseDefect, ...] = (
    UseDefect("score_axis", "matched",
              "the logged positive score is a cosine over places, not over channels", _score_axis),
    UseDefect("shuffled_channels", "mismatched before heads",
              "the 'before' negative shuffles channels instead of places, on raw differences",
              _shuffled_channels),
    UseDefect("swapped_colours", "matched", "learned on one colour order, used on the other",
              _swapped_colours),
    UseDefect("training_mode", "relative change of a pair's loss", "supervision leaves batch norm "
              "in training mode: other frames of the batch change the loss", _training_mode),
    UseDefect("swapped_arguments", "gradient on the generated frames",
              "called as (source, generated), the loss carries no gradient", _swapped_arguments),
    UseDefect("held_frames_gradient", "finite share of the gradient",
              "normalising a zero difference divides by the root of zero", _held_frames),
)  # fmt: skip


@torch.no_grad()
def measure_defects_in_use(
    metrics: dict[int, SpatialCoherence], frames: FramePairs, settings: EvaluationSettings
) -> pd.DataFrame:
    """Rows of `defects.csv` for the defects in using a learned metric."""
    rows = []
    for defect in USE_DEFECTS:
        values = np.empty((BATCHES, len(metrics), 2))
        for column, (seed, metric) in enumerate(metrics.items()):
            metric.eval()
            for batch in range(BATCHES):
                random = np.random.default_rng((seed, batch))
                query, key = (images_from_frames(side) for side in frames.draw(2 * BATCH, random))
                generator = torch.Generator().manual_seed(batch)
                values[batch, column] = defect.measure(metric, query, key, generator)
        interval = cluster_bootstrap(
            values[..., 0] - values[..., 1],
            np.arange(BATCHES),
            resamples=settings.resamples,
            confidence=settings.confidence,
            seed=0,
        )
        released, corrected = values.mean(axis=(0, 1))
        cells = (released, corrected, interval.value, interval.low, interval.high)
        rows.append((defect.name, "spatial", defect.quantity, *cells, len(metrics), 0, defect.what))
    return pd.DataFrame(rows, columns=list(COLUMNS))


class LearnedDefect(NamedTuple):
    """A released behaviour that is switched on alone; `name` is its name in `compat`."""

    name: str
    metric: str
    what: str


SPATIAL_DEFECTS: tuple[LearnedDefect, ...] = (
    LearnedDefect(
        "scalar_weight", "spatial", "adaptive weights act only by their mean over all places"
    ),
    LearnedDefect("weight_gradient", "spatial", "adaptive weights carry a gradient, which smooths"),
    LearnedDefect(
        "wrapping_region", "spatial", "neighbours of border places come from the opposite edge"
    ),
)
TEMPORAL_DEFECTS: tuple[LearnedDefect, ...] = (
    LearnedDefect("held_frames", "temporal_vd",
                  "differences of a frame and itself count as rows to match"),
    LearnedDefect("repeated_places", "temporal_vd", "places are drawn with replacement, border "
                  "included: duplicates are false negatives"),
)  # fmt: skip
CROSS_MODAL_DEFECTS: tuple[LearnedDefect, ...] = (
    LearnedDefect("accumulated_gradients", "cross_modal", "gradients are never set to zero"),
    LearnedDefect("false_negatives", "cross_modal",
                  "the same and neighbouring frames count as negatives"),
    LearnedDefect("single_frame_visual", "cross_modal", "expressions learn on one frame: the "
                  "fusion that is used later stays random"),
)  # fmt: skip


def compare_learned(
    defect: LearnedDefect,
    released: Sequence[SimilarityScores],
    corrected: Sequence[SimilarityScores],
    settings: EvaluationSettings,
    *,
    steps: int,
) -> pd.DataFrame:
    """Rows of `defects.csv`: the four quantities of similarity with and without a defect.

    `released` are scores on the held-out actor after learning with the defect, one a seed,
    `corrected` after learning without it.

    Raises:
        ShapeError: if the two sides were not scored on the same comparisons and seeds.
    """
    if len(released) != len(corrected) or any(
        not np.array_equal(a.clusters, b.clusters)
        for a, b in zip(released, corrected, strict=False)
    ):
        raise ShapeError(f"both sides of {defect.name} must have the same seeds and comparisons")
    sides = [quantity_columns(side) for side in (released, corrected)]
    rows = []
    for quantity in QUANTITIES:
        values, value = np.stack([s[quantity] for s in sides], axis=2), statistic_of(quantity)
        end = (released[0].clusters, settings, steps)
        rows.append(_row(defect, quantity, values, value, *end))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compare_recall(
    defect: LearnedDefect,
    released: np.ndarray,
    corrected: np.ndarray,
    clusters: np.ndarray,
    settings: EvaluationSettings,
    *,
    quantity: str,
    steps: int,
) -> pd.DataFrame:
    """One row of `defects.csv` from retrievals that were right or wrong.

    `released` and `corrected` are (N, seeds), one row a query; `clusters` (N, D) label the queries.
    """
    values = np.stack([released, corrected], axis=2).astype(float)
    row = _row(defect, quantity, values, mean_of_rows, clusters, settings, steps)
    return pd.DataFrame([row], columns=list(COLUMNS))


def _row(
    defect: LearnedDefect,
    quantity: str,
    values: np.ndarray,
    value: Callable[[np.ndarray], float],
    clusters: np.ndarray,
    settings: EvaluationSettings,
    steps: int,
) -> tuple[object, ...]:
    """One row from `values` (N, seeds, 2, ...), released and corrected."""
    interval = cluster_bootstrap(
        values,
        clusters,
        statistic=lambda rows: value(rows[:, :, 0]) - value(rows[:, :, 1]),
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=0,
    )
    sides = (value(values[:, :, 0]), value(values[:, :, 1]))
    reach = (interval.value, interval.low, interval.high)
    end = (values.shape[1], steps, defect.what)
    return (defect.name, defect.metric, quantity, *sides, *reach, *end)


CORRECTED = "paper"


def learn_with_defects(workspace: Workspace) -> pd.DataFrame:
    """Rows of `defects.csv`: each defect alone against none, same data, seeds and steps.

    Every side learns `scale.evaluation.defect_steps` steps (the cross-modal stages half of them
    each) and is scored on the held-out actors.
    """
    parts = [
        _compare_similarity(workspace, "spatial", SPATIAL_DEFECTS),
        _compare_similarity(workspace, "temporal_vd", TEMPORAL_DEFECTS),
        _compare_retrieval(workspace, CROSS_MODAL_DEFECTS),
    ]
    return pd.concat(parts, ignore_index=True)


def _compare_similarity(
    workspace: Workspace, metric: str, defects: tuple[LearnedDefect, ...]
) -> pd.DataFrame:
    evaluation = workspace.scale.evaluation
    visemes = read_visemes(workspace)
    held_out = frame_pairs_of_role(
        make_faces(workspace), make_pairs(workspace), make_corpus(workspace).roles, "held_out"
    )
    score = similarity_scorer(metric, held_out, visemes, workspace.scale)

    def scores(compat: str) -> list[SimilarityScores]:
        return [
            score(load_metric(metric, _learn(workspace, metric, compat, seed)))
            for seed in workspace.scale.metric_seeds
        ]

    corrected, steps = scores(CORRECTED), evaluation.defect_steps
    rows = [
        compare_learned(defect, scores(defect.name), corrected, evaluation, steps=steps)
        for defect in defects
    ]
    return pd.concat(rows, ignore_index=True)


def _learn(workspace: Workspace, metric: str, compat: str, seed: int) -> Path:
    scale, place = workspace.scale, ("defects", metric, compat)
    steps = scale.evaluation.defect_steps
    if metric == "spatial":
        spatial = replace(scale.spatial, compat=compat, steps=steps)
        return make_spatial_metric(workspace, seed, settings=spatial, place=place)
    rate = scale.spatial.learning_rate  # from initial weights, on which a defect shows
    temporal = replace(scale.temporal, compat=compat, steps=steps, learning_rate=rate)
    return make_temporal_metric(workspace, metric, seed, settings=temporal, place=place)


def _compare_retrieval(workspace: Workspace, defects: tuple[LearnedDefect, ...]) -> pd.DataFrame:
    evaluation = workspace.scale.evaluation
    steps = max(1, evaluation.defect_steps // 2)
    settings = replace(
        cross_modal_settings(workspace),
        single_steps=steps,
        joint_steps=steps,
        consistency_start=steps // 5,
    )
    pairs, roles = make_pairs(workspace), make_corpus(workspace).roles
    asked = scored_pairs(pairs, roles, "held_out")
    signals = clip_signals(workspace, settings.image_size)
    table, _, _ = frames_of_roles(signals, ("audio", "expression"), pairs, roles, settings)
    clocks = read_clocks(workspace)

    def recalls(compat: str) -> tuple[np.ndarray, np.ndarray]:
        scores = []
        for seed in workspace.scale.metric_seeds:
            path = make_cross_modal_metric(
                workspace,
                "expression",
                seed,
                settings=replace(settings, compat=compat),
                place=("defects", "cross_modal", compat),
            )
            metric = CrossModalCoherence.load(path)
            directions = [("audio", "expression")]
            scores += score_directions(metric, table, asked, clocks, workspace.scale, directions)
        return np.stack([each.hits[:, 0] for each in scores], axis=1), scores[0].clusters

    corrected, clusters = recalls(CORRECTED)
    told: dict[str, Any] = {"quantity": "recall_at_1 audio to expression", "steps": steps}
    rows = [
        compare_recall(defect, recalls(defect.name)[0], corrected, clusters, evaluation, **told)
        for defect in defects
    ]
    return pd.concat(rows, ignore_index=True)
