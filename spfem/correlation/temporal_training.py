"""Learning the temporal and the joint metric from windows of two emotions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from spfem.correlation.frame_pairs import FrameProvider
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.sampling import NEIGHBOURS
from spfem.correlation.scores import level_scores
from spfem.correlation.spatial_temporal import SpatialTemporalCoherence
from spfem.correlation.temporal import TemporalCoherence, WindowComparison
from spfem.correlation.training import (
    DrawAndCompare,
    Outcome,
    Share,
    learn_by_comparing,
    whole_batch,
)
from spfem.correlation.untrained import gather_statistics
from spfem.correlation.windows import WindowProvider, Windows
from spfem.distributed import own_share
from spfem.errors import SettingsError
from spfem.settings import TemporalSettings
from spfem.training import Progress, Row, torch_generator
from spfem.uploads import upload

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
