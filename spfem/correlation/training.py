"""Learning a correlation metric: one deterministic, resumable loop, and the spatial use of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from spfem.correlation.frame_pairs import FramePairs, FrameProvider
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.scores import level_scores
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.speech import draw_moments, speech_loss
from spfem.correlation.training_state import STATE_NAME, load_state, save_state
from spfem.correlation.untrained import initial_metric
from spfem.distributed import (
    is_first,
    mean_of_all,
    own_share,
    refuse_sharing,
    share_learning,
    wait_for_all,
)
from spfem.errors import SettingsError, SpfemError
from spfem.settings import SpatialSettings

CURVE_BATCHES = 4  # of held-out data behind each point of the curve

Progress = Callable[[Iterable[int]], Iterable[int]]


class LearningSettings(Protocol):
    """What the loop must know; any settings class that has these fields will do."""

    @property
    def steps(self) -> int:
        """Number of steps."""

    @property
    def learning_rate(self) -> float:
        """Of Adam."""

    @property
    def decay_share(self) -> float:
        """Last part of the steps, with the rate falling to 0."""

    @property
    def curve_steps(self) -> int:
        """Between two points of the curve."""

    @property
    def checkpoint_steps(self) -> int:
        """Between two saves of the state."""


@dataclass(frozen=True)
class Outcome:
    """What one drawn batch gave: a scalar loss, and scores that only the curve asks for."""

    loss: Tensor
    scores: Callable[[], dict[str, float]] = dict


DrawAndCompare = Callable[[np.random.Generator], Outcome]
"""Draws a batch from the generator and nothing else, and compares it."""

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
    curve: list[dict[str, Any]]


def run_learning(
    model: nn.Module,
    compare: DrawAndCompare,
    held_out: DrawAndCompare | None,
    settings: LearningSettings,
    *,
    seed: int,
    name: str,
    folder: Path | None = None,
    progress: Progress = iter,
) -> list[dict[str, Any]]:
    """Learn the weights of `model` in place with Adam; leave it in evaluation mode.

    Every step draws from a generator seeded by (`seed`, step), so a killed run that continues
    gives what an uninterrupted one gives. Points of the held-out curve all use the same draws.
    Under `torchrun` every process compares its share of the same batch, see
    `spfem.distributed`; the first one writes.

    Args:
        model: on its device, with its initial weights.
        compare: one batch to learn from.
        held_out: one batch of unseen actors for the curve, or None.
        settings: number of steps, learning rate and its decay, distances of curve and saves.
        seed: of all draws.
        name: of the metric, for errors.
        folder: where to keep the state every `checkpoint_steps`, and to continue from it.
        progress: wrapper of the step loop, for example tqdm.

    Returns:
        The curve: `step`, `split`, `loss` and the scores, mean loss since the last row.

    Raises:
        SpfemError: if the loss stops being finite.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    on_gpu = all(parameter.is_cuda for parameter in parameters)
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate, fused=on_gpu or None)
    state_path = None if folder is None else folder / STATE_NAME
    first_step, curve = 0, list[dict[str, Any]]()
    if state_path is not None and state_path.exists():
        first_step, curve = load_state(state_path, model, optimiser)
    wait_for_all()  # before the first process writes the state anew
    compare = share_learning(model, compare)
    model.train()
    recent: list[Tensor] = []
    for step in progress(range(first_step, settings.steps)):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * remaining_rate(step, settings)
        outcome = compare(np.random.default_rng((seed, step)))
        optimiser.zero_grad(set_to_none=True)
        outcome.loss.backward()
        optimiser.step()
        recent.append(outcome.loss.detach())
        done = step + 1
        if done % settings.curve_steps == 0 or done == settings.steps:
            mean_loss = float(mean_of_all(torch.stack(recent).mean()))
            if not np.isfinite(mean_loss):
                raise SpfemError(f"the {name} loss is not finite at step {done}; lower the rate")
            curve.append({"step": done, "split": "train", "loss": mean_loss, **_scores(outcome)})
            if held_out is not None:
                curve.append({"step": done, "split": "held_out", **_unseen(model, held_out, seed)})
            recent.clear()
        if state_path is not None and is_first() and done % settings.checkpoint_steps == 0:
            save_state(state_path, model, optimiser, done, curve)
    model.eval()
    return curve


def _scores(outcome: Outcome) -> dict[str, float]:
    """Scores of a batch: the mean over the shares of the processes."""
    scores = outcome.scores()
    if not scores:
        return scores
    values = mean_of_all(torch.tensor(list(scores.values()), dtype=torch.float64))
    return dict(zip(scores, values.tolist(), strict=True))


def remaining_rate(step: int, settings: LearningSettings) -> float:
    """Share of the learning rate at a step: 1, then linearly to 0 in the last `decay_share`.

    Source: ASCCL and STCCL have a constant rate, `decay_share` 0.
    """
    decaying = settings.decay_share * settings.steps
    return 1.0 if decaying <= 0 else min(1.0, (settings.steps - step) / decaying)


@torch.no_grad()
def _unseen(model: nn.Module, compare: DrawAndCompare, seed: int) -> dict[str, float]:
    """Loss and scores of unseen data: the same data and places at every step."""
    model.eval()
    rows = []
    for batch in range(CURVE_BATCHES):
        outcome = compare(np.random.default_rng((seed, batch)))
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

    def comparing(provider: FrameProvider, share: Share = whole_batch) -> DrawAndCompare:
        def compare(random: np.random.Generator) -> Outcome:
            drawn = provider.draw(settings.batch_size, random)
            generator = torch.Generator().manual_seed(int(random.integers(2**62)))
            query, key = (images_from_frames(share(frames), device) for frames in drawn)
            levels = model.compare(query, key, generator=generator)
            return Outcome(model.total(levels), lambda: level_scores(levels))

        def compare_moments(random: np.random.Generator) -> Outcome:
            if not isinstance(provider, FramePairs):
                raise SettingsError("speech_weight needs FramePairs, which know the moments")
            drawn = draw_moments(provider, settings.batch_size, settings.speech_moments, random)
            generator = torch.Generator().manual_seed(int(random.integers(2**62)))
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

    curve = run_learning(
        model,
        comparing(train, own_share),
        None if held_out is None else comparing(held_out),
        settings,
        seed=seed,
        name="spatial",
        folder=folder,
        progress=progress,
    )
    return TrainedMetric(model, curve)
