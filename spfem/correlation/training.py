"""Learning a correlation metric by comparing batches, and the spatial use of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spfem.correlation.frame_pairs import FramePairs, FrameProvider
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.scores import level_scores
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.speech import draw_moments, speech_loss
from spfem.correlation.untrained import initial_metric
from spfem.distributed import mean_of_all, own_share, refuse_sharing, share_norms
from spfem.errors import SettingsError
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings
from spfem.training import (
    Progress,
    Row,
    descend,
    falling_rate,
    step_random,
    torch_generator,
    train,
)

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
    Departs from it where `settings.speech_weight` is not 0, see `spfem.correlation.speech`.

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
