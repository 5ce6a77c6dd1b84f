"""Learning the spatial and the temporal metrics by comparing batches of two emotions.

Source: ASCCL and STCCL; Adam at a constant rate, batch norm in training mode with separate
statistics for the two emotions. Departs from them where `SpatialSettings.speech_weight` is not 0,
see `spfem.correlation.frames`, and in the scores of the curve, which go over channels and all
pairs of places (the released ones stand beside them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from spfem.correlation.asccl import NEIGHBOURS, SpatialCoherence
from spfem.correlation.frames import (
    FramePairs,
    FrameWindows,
    PairStore,
    TrackedFaces,
    collect_frame_pairs,
    draw_moments,
    speech_loss,
)
from spfem.correlation.images import images_from_frames, prepare_images
from spfem.correlation.similarity import level_scores
from spfem.correlation.stccl import SpatialTemporalCoherence, TemporalCoherence, WindowComparison
from spfem.distributed import mean_of_all, own_share, refuse_sharing, share_norms
from spfem.errors import CorpusError, SettingsError
from spfem.precision import upload
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings
from spfem.training import Row, descend, falling_rate, step_random, torch_generator, train

CURVE_BATCHES = 4  # of held-out data behind each point of the curve
STATISTICS_BATCHES = 8

TEMPORAL_METRICS: dict[str, tuple[type[TemporalCoherence], str]] = {
    "temporal_vd": (TemporalCoherence, "vd"),
    "temporal_cm": (TemporalCoherence, "cm"),
    "spatial_temporal_vd": (SpatialTemporalCoherence, "vd"),
    "spatial_temporal_cm": (SpatialTemporalCoherence, "cm"),
}
"""Class and formulation of each metric on windows."""


@dataclass(frozen=True)
class Outcome:
    """What one drawn batch gave: a scalar loss, and scores that only the curve asks for."""

    loss: Tensor
    scores: Callable[[], dict[str, float]] = dict


DrawAndCompare = Callable[[int, np.random.Generator], Outcome]
"""Draws the batch of a step from the generator and nothing else, and compares it."""

Share = Callable[[np.ndarray], np.ndarray]
"""Takes the rows of a batch that this process computes; of unseen data, each computes all."""


def learn_by_comparing(
    model: nn.Module,
    compare: DrawAndCompare,
    held_out: DrawAndCompare | None,
    settings: SpatialSettings | TemporalSettings | CrossModalSettings,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    **run: Any,
) -> list[Row]:
    """Learn the weights of `model` in place with Adam, as `spfem.training.train` goes.

    `compare` makes a batch to learn from, `held_out` one of unseen actors for the curve, or None;
    all points of the curve use the same draws. Of the settings `decay_share` and `curve_steps`
    count here; `run` are `name`, `folder` and `progress` of `spfem.training.train`.

    Returns:
        The curve: `step`, `split` (`train` or `held_out`), `loss` (while learning the mean since
        the last row), scores.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    on_gpu = all(parameter.is_cuda for parameter in parameters)
    optimiser = torch.optim.Adam(parameters, lr=learning_rate, fused=on_gpu or None)
    share_norms(model)
    last: list[Outcome] = []

    def step(index: int, random: np.random.Generator) -> dict[str, Tensor]:
        last[:] = [compare(index, random)]
        descend(last[0].loss, optimiser)
        return {"loss": last[0].loss}

    def describe(row: Row) -> list[Row]:
        scores = last[0].scores()
        if scores:  # the mean over the shares of the processes
            means = mean_of_all(torch.tensor(list(scores.values()), dtype=torch.float64))
            scores = dict(zip(scores, means.tolist(), strict=True))
        rows = [{**row, "split": "train", **scores}]
        if held_out is not None:
            unseen = _unseen(model, held_out, seed, steps)
            rows.append({"step": row["step"], "split": "held_out", **unseen})
        return rows

    return train(
        {"model": model},
        {"adam": optimiser},
        step,
        steps=steps,
        seed=seed,
        settings=settings,
        rate=falling_rate(steps, settings.decay_share),
        row_steps=settings.curve_steps,
        describe=describe,
        **run,
    )


@torch.no_grad()
def _unseen(model: nn.Module, compare: DrawAndCompare, seed: int, steps: int) -> dict[str, float]:
    """Loss and scores of unseen data: the same data and places at every step."""
    model.eval()
    rows = []
    for batch in range(CURVE_BATCHES):
        outcome = compare(steps, step_random(seed, batch))
        rows.append({"loss": float(outcome.loss), **outcome.scores()})
    model.train()
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def initial_metric(settings: SpatialSettings, seed: int) -> SpatialCoherence:
    """The metric with initial weights; leaves the global random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpatialCoherence(settings)


def initial_temporal_metric(name: str, settings: TemporalSettings, seed: int) -> TemporalCoherence:
    """The metric with initial weights, those of the spatial metric with the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return metric_class(name)(formulated(name, settings))


def metric_class(name: str) -> type[TemporalCoherence]:
    """Class of the metric `name` of `TEMPORAL_METRICS`, for `load`.

    Raises:
        SettingsError: if the name is unknown.
    """
    if name not in TEMPORAL_METRICS:
        raise SettingsError(
            f"metric {name!r} is unknown; choose one of {', '.join(TEMPORAL_METRICS)}"
        )
    return TEMPORAL_METRICS[name][0]


def formulated(name: str, settings: TemporalSettings) -> TemporalSettings:
    """`settings` with the formulation of the metric `name`; errors as `metric_class`."""
    metric_class(name)
    return replace(settings, formulation=TEMPORAL_METRICS[name][1])


def untrained_metric(
    train: FramePairs,
    settings: SpatialSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> SpatialCoherence:
    """The metric as `train_spatial` starts it, evaluating, with statistics of training frames."""
    metric = initial_metric(settings, seed).to(device)
    gather_statistics(metric.resnet50, train, settings, seed=seed)
    return metric.eval()


def untrained_temporal_metric(
    name: str,
    train: FramePairs,
    settings: TemporalSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> TemporalCoherence:
    """The same of the metric `name`, as `train_temporal` starts it."""
    metric = initial_temporal_metric(name, settings, seed).to(device)
    gather_statistics(metric.resnet50, train, settings.spatial, seed=seed)
    return metric.eval()


@contextmanager
def averaged_statistics(network: nn.Module) -> Iterator[None]:
    """Batch-norm statistics that start anew and become plain averages of what passes in here.

    Leaves the network in training mode.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    yield
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.no_grad()
def gather_statistics(
    backbone: nn.Module, train: FramePairs, settings: SpatialSettings, *, seed: int
) -> None:
    """Set the batch-norm statistics of a backbone with initial weights to those of frames.

    Without them, features of initial weights are so small that head biases decide everything; so
    before and after learning differ in learned weights only, not in normalisation.
    """
    device = next(backbone.parameters()).device
    random = np.random.default_rng(seed)
    with averaged_statistics(backbone):
        for _ in range(STATISTICS_BATCHES):
            for frames in train.draw(settings.batch_size, random):
                backbone(prepare_images(images_from_frames(frames, device), settings.image_size))


def frame_pairs_of_role(
    faces: Mapping[str, TrackedFaces], pairs: PairStore, roles: Mapping[str, str], role: str
) -> FramePairs:
    """Frame pairs of the actors whose role is `train`, `held_out` or `target`.

    Raises:
        CorpusError: if no actor has the role or none of their pairs is usable.
    """
    actors = {actor for actor, given in roles.items() if given == role}
    if not actors:
        raise CorpusError(f"no actor has the role {role!r}; found {sorted(set(roles.values()))}")
    return collect_frame_pairs(faces, pairs.pairs, actors)


Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class TrainedMetric(Generic[Model]):
    """The learned metric and its curve, see `learn_by_comparing`."""

    model: Model
    curve: list[Row]


def train_spatial(
    train: FramePairs,
    held_out: FramePairs | None,
    settings: SpatialSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    first: SpatialCoherence | None = None,
    **run: Any,
) -> TrainedMetric[SpatialCoherence]:
    """Learn the spatial metric; neutral frames are the query, emotion frames the key.

    Args:
        train: frames to learn from.
        held_out: frames of unseen actors for the curve, or None.
        settings: sizes, constants, number of steps.
        seed: for the initial weights and all draws.
        device: where to compute.
        first: learned metric to start from; default initial weights.
        **run: `folder` and `progress` of `spfem.training.train`.
    """
    if settings.released("scalar_weight"):
        refuse_sharing("a metric with the released scalar_weight, one number for the whole batch,")
    model = initial_metric(settings, seed).to(device)
    if first is not None:
        model.load_state_dict(first.state_dict())
    curve = learn_from_frames(model, train, held_out, seed=seed, **run)
    return TrainedMetric(model, curve)


def learn_from_frames(
    model: SpatialCoherence,
    train: FramePairs,
    held_out: FramePairs | None,
    **run: Any,
) -> list[Row]:
    """Learn a spatial metric in place, on its device; arguments and curve as in `train_spatial`."""
    settings, device = model.settings, next(model.parameters()).device

    def comparing(provider: FramePairs, share: Share = np.asarray) -> DrawAndCompare:
        def compare(index: int, random: np.random.Generator) -> Outcome:
            count, numbers = settings.batch_size, None
            if settings.speech_weight:
                *drawn, numbers = draw_moments(provider, count, settings.speech_moments, random)
            else:
                drawn = [*provider.draw(count, random)]
            generator = torch_generator(random)
            query, key = (images_from_frames(share(frames), device) for frames in drawn)
            levels = model.compare(query, key, generator=generator)
            if numbers is None:
                return Outcome(model.total(levels), lambda: level_scores(levels))
            speech = speech_loss(
                [(level.query, level.key) for level in levels],
                torch.as_tensor(share(numbers), device=device),
                temperature=settings.speech_temperature,
                gap_frames=settings.speech_gap_frames,
            )
            loss = model.total(levels) + settings.scale * settings.speech_weight * speech
            return Outcome(loss, lambda: level_scores(levels) | {"speech_loss": speech.item()})

        return compare

    return _learn(model, comparing, train, held_out, name="spatial", **run)


def _learn(
    model: SpatialCoherence | TemporalCoherence,
    comparing: Callable[..., DrawAndCompare],
    train: FramePairs | FrameWindows,
    held_out: FramePairs | FrameWindows | None,
    **run: Any,
) -> list[Row]:
    """Learn from `train`, of which each process takes its share, as the metric's settings say."""
    settings = model.settings
    return learn_by_comparing(
        model,
        comparing(train, own_share),
        None if held_out is None else comparing(held_out),
        settings,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        **run,
    )


def train_temporal(
    name: str,
    train: FrameWindows,
    held_out: FrameWindows | None,
    settings: TemporalSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    first: SpatialCoherence | None = None,
    **run: Any,
) -> TrainedMetric[TemporalCoherence]:
    """Learn one of `TEMPORAL_METRICS`; neutral windows are the query, emotion windows the key.

    Scores of the curve are of the temporal part; the joint metric adds those of its spatial part,
    named `spatial_matched` and so on. Arguments as of `train_spatial`, but windows of frames.
    """
    model = initial_temporal_metric(name, settings, seed).to(device)
    if first is not None:
        model.load_state_dict(first.state_dict())

    def comparing(provider: FrameWindows, share: Share = np.asarray) -> DrawAndCompare:
        def compare(index: int, random: np.random.Generator) -> Outcome:
            *both, held = provider.draw_windows(settings.batch_size, random)
            generator = torch_generator(random)
            query, key = (window_images(share(frames), device) for frames in both)
            compared = model.compare(
                query, key, held=upload(share(held), device), generator=generator
            )
            return Outcome(model.total(compared), lambda: _scores(compared, model.settings))

        return compare

    curve = _learn(model, comparing, train, held_out, seed=seed, name=name, **run)
    return TrainedMetric(model, curve)


def window_images(frames: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Images (B, T, 3, S, S) RGB in [-1, 1] of windows (B, T, S, S, 3) uint8 RGB."""
    images = images_from_frames(frames.reshape(-1, *frames.shape[2:]), device)
    return images.unflatten(0, frames.shape[:2])


def _scores(compared: WindowComparison, settings: TemporalSettings) -> dict[str, float]:
    scores = level_scores(compared.temporal, group=1)
    if compared.spatial:
        rows_a_place = NEIGHBOURS if settings.formulation == "vd" else 1
        spatial = level_scores(compared.spatial, group=rows_a_place)
        scores |= {f"spatial_{name}": value for name, value in spatial.items()}
    return scores
