"""Released defects that need no learning to be seen: one learned metric, used both ways.

Each function returns, for every drawn pair of frames, the quantity as the released code has it
and as it should be; `measure_defects_in_use` makes rows of `defects.csv` from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from spfem.correlation import SpatialCoherence, images_from_frames
from spfem.correlation.disparity import neighbour_disparities
from spfem.correlation.frame_pairs import FrameProvider
from spfem.correlation.heads import normalise_channels
from spfem.correlation.preprocess import prepare_images
from spfem.correlation.scores import (
    matched_similarity,
    mismatched_similarity,
    released_similarity,
)
from spfem.settings import EvaluationSettings
from spfem.statistics import cluster_bootstrap

BATCH = 4  # frames of a released supervision step
BATCHES = 12
COLUMNS = (
    "defect",
    "metric",
    "quantity",
    "released",
    "corrected",
    "difference",
    "ci_low",
    "ci_high",
    "seeds",
    "steps",
    "what",
)
"""Columns of `defects.csv`; the interval is that of the difference."""


@dataclass(frozen=True)
class UseDefect:
    """A released behaviour and how to see it.

    `measure` gets the metric, query and key images (B, 3, H, W) and a generator, and returns the
    quantity as released and as corrected.
    """

    name: str
    quantity: str
    what: str
    measure: Callable[[SpatialCoherence, Tensor, Tensor, torch.Generator], tuple[float, float]]


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
    UseDefect(
        "score_axis",
        "matched",
        "the logged positive score is a cosine over places, not over channels",
        _score_axis,
    ),
    UseDefect(
        "shuffled_channels",
        "mismatched before heads",
        "the 'before' negative shuffles channels instead of places, on raw differences",
        _shuffled_channels,
    ),
    UseDefect(
        "swapped_colours",
        "matched",
        "learned on one colour order, used on the other",
        _swapped_colours,
    ),
    UseDefect(
        "training_mode",
        "relative change of a pair's loss",
        "supervision leaves batch norm in training mode: other frames of the batch change the loss",
        _training_mode,
    ),
    UseDefect(
        "swapped_arguments",
        "gradient on the generated frames",
        "called as (source, generated), the loss carries no gradient",
        _swapped_arguments,
    ),
    UseDefect(
        "held_frames_gradient",
        "finite share of the gradient",
        "normalising a zero difference divides by the root of zero",
        _held_frames,
    ),
)


@torch.no_grad()
def measure_defects_in_use(
    metrics: dict[int, SpatialCoherence], frames: FrameProvider, settings: EvaluationSettings
) -> pd.DataFrame:
    """Rows of `defects.csv` for the defects in using a learned metric.

    Args:
        metrics: learned metric by seed.
        frames: frames of actors that the metric was not learned on.
        settings: of the intervals, bootstrap over drawn batches.
    """
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
