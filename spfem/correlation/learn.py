"""How alike descriptors are, apart from the loss: one definition before and after learning.

The metric before learning, against which learning is judged.

Learning a correlation metric by comparing batches, and the spatial use of it.

Learning the temporal and the joint metric from windows of two emotions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.correlation.asccl import NEIGHBOURS, LevelComparison, SpatialCoherence
from spfem.correlation.frames import (
    AlignedClips,
    FramePairs,
    FrameProvider,
    TrackLookup,
    WindowProvider,
    Windows,
    collect_frame_pairs,
    draw_moments,
    speech_loss,
)
from spfem.correlation.images import images_from_frames, prepare_images
from spfem.correlation.stccl import SpatialTemporalCoherence, TemporalCoherence, WindowComparison
from spfem.distributed import (
    mean_of_all,
    own_share,
    refuse_sharing,
    share_norms,
)
from spfem.errors import CorpusError, SettingsError
from spfem.media.container import upload
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings
from spfem.training import Progress, Row, descend, falling_rate, step_random, torch_generator, train


@torch.no_grad()
def level_scores(levels: Sequence[LevelComparison], *, group: int = NEIGHBOURS) -> dict[str, float]:
    """Scores of one batch for a learning curve, means over batch and levels.

    Rows without weight (held frames of a window) do not count; NaN where nothing is left.

    Args:
        levels: the batch, compared.
        group: rows a place, see `mismatched_similarity`.

    Returns:
        `matched`, `mismatched_place`, and as in the released logs `matched_released`,
        `mismatched_released` (by one fixed permutation).
    """
    generator = torch.Generator().manual_seed(0)
    pairs = [
        (level.query[counting], level.key[counting])
        for level in levels
        for counting in [level.weight.sum(dim=1) > 0]
    ]
    released = [
        released_similarity(query, key, torch.randperm(query.shape[2], generator=generator))
        for query, key in pairs
    ]
    columns = {
        "matched": [matched_similarity(query, key).mean() for query, key in pairs],
        "mismatched_place": [
            mismatched_similarity(query, key, group=group).mean() for query, key in pairs
        ],
        "matched_released": [positive for positive, _ in released],
        "mismatched_released": [negative for _, negative in released],
    }
    return {name: float(torch.stack(values).mean()) for name, values in columns.items()}


def matched_similarity(query: Tensor, key: Tensor) -> Tensor:
    """Mean cosine over channels of descriptors at the same place.

    Departs from the released code, which takes the cosine over places (`released_similarity`).

    Args:
        query: (B, C, S), L2-normalised over C.
        key: (B, C, S), likewise.

    Returns:
        (B,) in [-1, 1].
    """
    return (query * key).sum(dim=1).mean(dim=1)


def mismatched_similarity(query: Tensor, key: Tensor, *, group: int = NEIGHBOURS) -> Tensor:
    """Mean cosine of descriptors whose places differ, over all such pairs of one image pair.

    Exact, where the released code draws one permutation (which may hit the same centre).

    Args:
        query: (B, C, S), L2-normalised over C; rows of a place side by side.
        key: (B, C, S), likewise.
        group: rows a place; the 8 neighbours of a centre, 1 where each row is a place.

    Returns:
        (B,) in [-1, 1].
    """
    rows = query.shape[2]
    everywhere = (query.sum(dim=2) * key.sum(dim=2)).sum(dim=1)
    query_centres = query.unflatten(2, (-1, group)).sum(dim=3)
    key_centres = key.unflatten(2, (-1, group)).sum(dim=3)
    same_centre = (query_centres * key_centres).sum(dim=(1, 2))
    return (everywhere - same_centre) / (rows * (rows - group))


def released_similarity(query: Tensor, key: Tensor, permutation: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of the released logs: cosine over places of each channel's profile.

    Args:
        query: (B, C, S).
        key: (B, C, S).
        permutation: (S,) of the key's places for the negative score.

    Returns:
        Positive and negative score, scalars.
    """
    positive = functional.cosine_similarity(query, key, dim=2).mean()
    negative = functional.cosine_similarity(query, key[:, :, permutation], dim=2).mean()
    return positive, negative


STATISTICS_BATCHES = 8


def initial_metric(settings: SpatialSettings, seed: int) -> SpatialCoherence:
    """The metric with initial weights; leaves the global random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpatialCoherence(settings)


def untrained_metric(
    train: FrameProvider,
    settings: SpatialSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> SpatialCoherence:
    """The metric as `train_spatial` starts it, with batch-norm statistics of the training frames.

    Returns:
        The metric in evaluation mode.
    """
    metric = initial_metric(settings, seed).to(device)
    gather_statistics(metric.resnet50, train, settings, seed=seed)
    return metric.eval()


@torch.no_grad()
def gather_statistics(
    backbone: nn.Module, train: FrameProvider, settings: SpatialSettings, *, seed: int
) -> None:
    """Set the batch-norm statistics of a backbone with initial weights to those of frames.

    Without them, features of initial weights are so small that head biases decide everything; so
    before and after learning differ in learned weights only, not in normalisation.

    Args:
        backbone: changed in place; left in training mode.
        train: frames of two emotions.
        settings: size and number of the images of a batch.
        seed: of the draw.
    """
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    device = next(backbone.parameters()).device
    random = np.random.default_rng(seed)
    backbone.train()
    for _ in range(STATISTICS_BATCHES):
        for frames in train.draw(settings.batch_size, random):
            backbone(prepare_images(images_from_frames(frames, device), settings.image_size))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


CURVE_BATCHES = 4  # of held-out data behind each point of the curve


@dataclass(frozen=True)
class Outcome:
    """What one drawn batch gave: a scalar loss, and scores that only the curve asks for."""

    loss: Tensor
    scores: Callable[[], dict[str, float]] = dict


DrawAndCompare = Callable[[int, np.random.Generator], Outcome]
"""Draws the batch of a step from the generator and nothing else, and compares it."""

Share = Callable[[np.ndarray], np.ndarray]
"""Takes the rows of a batch that this process computes."""


def whole_batch(rows: np.ndarray) -> np.ndarray:
    """All rows (B, ...), as for the curve of unseen data, which every process computes alone."""
    return rows


@dataclass(frozen=True)
class TrainedMetric:
    """The learned metric and its learning curve.

    A curve row holds `step`, `split` (`train` or `held_out`), `loss`, `matched`,
    `mismatched_place` and, defined as in the released logs, `matched_released` and
    `mismatched_released`; scores are means over levels.
    """

    model: SpatialCoherence
    curve: list[Row]


def learn_by_comparing(
    model: nn.Module,
    compare: DrawAndCompare,
    held_out: DrawAndCompare | None,
    settings: SpatialSettings | TemporalSettings | CrossModalSettings,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    name: str,
    folder: Path | None = None,
    progress: Progress = iter,
) -> list[Row]:
    """Learn the weights of `model` in place with Adam, as `spfem.training.train` goes.

    Args:
        model: on its device, with its first weights.
        compare: one batch to learn from.
        held_out: one batch of unseen actors for the curve, or None; all points of the curve use
            the same draws.
        settings: of the metric; its `decay_share` and `curve_steps` count here.
        steps: number of steps.
        learning_rate: of Adam.
        seed: of all draws.
        name: of the metric, for errors.
        folder: of the state from which a killed run continues.
        progress: wrapper of the step loop.

    Returns:
        The curve: `step`, `split`, `loss` (while learning the mean since the last row), scores.
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
        rows = [{**row, "split": "train", **_mean_scores(last[0])}]
        if held_out is not None:
            unseen = _unseen(model, held_out, seed, steps)
            rows.append({"step": row["step"], "split": "held_out", **unseen})
        return rows

    return train(
        {"model": model},
        {"adam": optimiser},
        step,
        name=name,
        steps=steps,
        seed=seed,
        settings=settings,
        rate=falling_rate(steps, settings.decay_share),
        row_steps=settings.curve_steps,
        describe=describe,
        folder=folder,
        progress=progress,
    )


def _mean_scores(outcome: Outcome) -> dict[str, float]:
    """Scores of a batch: the mean over the shares of the processes."""
    scores = outcome.scores()
    if not scores:
        return scores
    values = mean_of_all(torch.tensor(list(scores.values()), dtype=torch.float64))
    return dict(zip(scores, values.tolist(), strict=True))


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


def train_spatial(
    train: FrameProvider,
    held_out: FrameProvider | None,
    settings: SpatialSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    first: SpatialCoherence | None = None,
    progress: Progress = iter,
) -> TrainedMetric:
    """Learn the spatial metric; neutral frames are the query, emotion frames the key.

    Source: ASCCL; batch norm in training mode with separate statistics for the two emotions.
    Departs from it where `settings.speech_weight` is not 0, see `spfem.correlation.frames`.

    Args:
        train: frames to learn from.
        held_out: frames of unseen actors for the curve, or None.
        settings: sizes, constants, number of steps.
        seed: of the initial weights and all draws.
        device: where to compute.
        folder: of the state from which a killed run continues.
        first: learned metric to start from; default initial weights.
        progress: wrapper of the step loop.
    """
    if settings.released("scalar_weight"):
        refuse_sharing("a metric with the released scalar_weight, one number for the whole batch,")
    model = initial_metric(settings, seed).to(device)
    if first is not None:
        model.load_state_dict(first.state_dict())

    curve = learn_from_frames(model, train, held_out, seed=seed, folder=folder, progress=progress)
    return TrainedMetric(model, curve)


def learn_from_frames(
    model: SpatialCoherence,
    train: FrameProvider,
    held_out: FrameProvider | None,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress = iter,
) -> list[Row]:
    """Learn a spatial metric in place, on its device; arguments and curve as in `train_spatial`."""
    settings, device = model.settings, next(model.parameters()).device

    def comparing(provider: FrameProvider, share: Share = whole_batch) -> DrawAndCompare:
        def compare(index: int, random: np.random.Generator) -> Outcome:
            drawn = provider.draw(settings.batch_size, random)
            generator = torch_generator(random)
            query, key = (images_from_frames(share(frames), device) for frames in drawn)
            levels = model.compare(query, key, generator=generator)
            return Outcome(model.total(levels), lambda: level_scores(levels))

        def compare_moments(index: int, random: np.random.Generator) -> Outcome:
            if not isinstance(provider, FramePairs):
                raise SettingsError("speech_weight needs FramePairs, which know the moments")
            drawn = draw_moments(provider, settings.batch_size, settings.speech_moments, random)
            generator = torch_generator(random)
            both = drawn.neutral, drawn.emotion
            query, key = (images_from_frames(share(each), device) for each in both)
            levels = model.compare(query, key, generator=generator)
            speech = speech_loss(
                [(level.query, level.key) for level in levels],
                torch.as_tensor(share(drawn.numbers), device=device),
                temperature=settings.speech_temperature,
                gap_frames=settings.speech_gap_frames,
            )
            loss = model.total(levels) + settings.scale * settings.speech_weight * speech
            return Outcome(loss, lambda: level_scores(levels) | {"speech_loss": speech.item()})

        return compare_moments if settings.speech_weight else compare

    return learn_by_comparing(
        model,
        comparing(train, own_share),
        None if held_out is None else comparing(held_out),
        settings,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        seed=seed,
        name="spatial",
        folder=folder,
        progress=progress,
    )


class FaceStore(TrackLookup, Protocol):
    """Face tracks by clip key, with a digest of them all."""

    @property
    def digest(self) -> str:
        """Of the stage that made the tracks."""


class PairStore(Protocol):
    """Aligned clip pairs, with a digest of them all."""

    @property
    def digest(self) -> str:
        """Of the stage that made the pairs."""

    @property
    def pairs(self) -> Iterable[AlignedClips]:
        """Every pair of the corpus."""


def frame_pairs_of_role(
    faces: FaceStore, pairs: PairStore, roles: Mapping[str, str], role: str
) -> FramePairs:
    """Frame pairs of the actors whose role is `train`, `held_out` or `target`.

    Raises:
        CorpusError: if no actor has the role or none of their pairs is usable.
    """
    actors = {actor for actor, given in roles.items() if given == role}
    if not actors:
        raise CorpusError(f"no actor has the role {role!r}; found {sorted(set(roles.values()))}")
    return collect_frame_pairs(faces, pairs.pairs, actors)


TEMPORAL_METRICS: dict[str, tuple[type[TemporalCoherence], str]] = {
    "temporal_vd": (TemporalCoherence, "vd"),
    "temporal_cm": (TemporalCoherence, "cm"),
    "spatial_temporal_vd": (SpatialTemporalCoherence, "vd"),
    "spatial_temporal_cm": (SpatialTemporalCoherence, "cm"),
}
"""Class and formulation of each metric on windows."""


@dataclass(frozen=True)
class TrainedTemporalMetric:
    """The learned metric and its curve, as in `TrainedMetric`; scores are of the temporal part.

    The joint metric adds the scores of its spatial part, named `spatial_matched` and so on.
    """

    model: TemporalCoherence
    curve: list[Row]


def metric_class(name: str) -> type[TemporalCoherence]:
    """Class of the metric `name`, for `load`.

    Raises:
        SettingsError: if the name is unknown.
    """
    return _known(name)[0]


def formulated(name: str, settings: TemporalSettings) -> TemporalSettings:
    """`settings` with the formulation of the metric `name`.

    Raises:
        SettingsError: if the name is unknown.
    """
    return replace(settings, formulation=_known(name)[1])


def _known(name: str) -> tuple[type[TemporalCoherence], str]:
    if name not in TEMPORAL_METRICS:
        raise SettingsError(
            f"metric {name!r} is unknown; choose one of {', '.join(TEMPORAL_METRICS)}"
        )
    return TEMPORAL_METRICS[name]


def initial_temporal_metric(name: str, settings: TemporalSettings, seed: int) -> TemporalCoherence:
    """The metric with initial weights, those of the spatial metric with the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return metric_class(name)(formulated(name, settings))


def untrained_temporal_metric(
    name: str,
    train: FrameProvider,
    settings: TemporalSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> TemporalCoherence:
    """The metric as `train_temporal` starts it, with batch-norm statistics of training frames.

    Returns:
        The metric in evaluation mode.
    """
    metric = initial_temporal_metric(name, settings, seed).to(device)
    gather_statistics(metric.resnet50, train, settings.spatial, seed=seed)
    return metric.eval()


def train_temporal(
    name: str,
    train: WindowProvider,
    held_out: WindowProvider | None,
    settings: TemporalSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    progress: Progress = iter,
) -> TrainedTemporalMetric:
    """Learn one of `TEMPORAL_METRICS`; neutral windows are the query, emotion windows the key.

    Source: STCCL; Adam at a constant rate, batch norm in training mode with separate statistics
    for the two emotions. Goes as `spfem.training.train`.

    Args:
        name: which metric; decides the formulation.
        train: windows to learn from.
        held_out: windows of unseen actors for the curve, or None.
        settings: sizes, constants, number of steps.
        seed: of the initial weights and all draws.
        device: where to compute.
        folder: of the state from which a killed run continues.
        progress: wrapper of the step loop.
    """
    model = initial_temporal_metric(name, settings, seed).to(device)

    def comparing(provider: WindowProvider, share: Share = whole_batch) -> DrawAndCompare:
        def compare(index: int, random: np.random.Generator) -> Outcome:
            drawn = provider.draw_windows(settings.batch_size, random)
            windows = Windows(*(share(rows) for rows in (drawn.neutral, drawn.emotion, drawn.held)))
            generator = torch_generator(random)
            query, key, held = window_tensors(windows, device)
            compared = model.compare(query, key, held=held, generator=generator)
            return Outcome(model.total(compared), lambda: _scores(compared, model.settings))

        return compare

    unseen = None if held_out is None else comparing(held_out)
    curve = learn_by_comparing(
        model,
        comparing(train, own_share),
        unseen,
        settings,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        seed=seed,
        name=name,
        folder=folder,
        progress=progress,
    )
    return TrainedTemporalMetric(model, curve)


def window_tensors(
    windows: Windows, device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query and key (B, T, 3, S, S) RGB in [-1, 1] and held steps (B, T - 1, 2) of windows."""
    query, key = (
        images_from_frames(frames.reshape(-1, *frames.shape[2:]), device).unflatten(
            0, frames.shape[:2]
        )
        for frames in (windows.neutral, windows.emotion)
    )
    return query, key, upload(windows.held, device)


def _scores(compared: WindowComparison, settings: TemporalSettings) -> dict[str, float]:
    scores = level_scores(compared.temporal, group=1)
    if compared.spatial:
        rows_a_place = NEIGHBOURS if settings.formulation == "vd" else 1
        spatial = level_scores(compared.spatial, group=rows_a_place)
        scores |= {f"spatial_{name}": value for name, value in spatial.items()}
    return scores
