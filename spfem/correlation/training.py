"""Learning the spatial metric from pairs of frames that say the same in two emotions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spfem.correlation.frame_pairs import FrameProvider
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.scores import (
    matched_similarity,
    mismatched_similarity,
    released_similarity,
)
from spfem.correlation.spatial import LevelComparison, SpatialCoherence
from spfem.correlation.training_state import STATE_NAME, load_state, save_state
from spfem.correlation.untrained import initial_metric
from spfem.errors import SpfemError
from spfem.settings import SpatialSettings

CURVE_BATCHES = 4  # of held-out frame pairs behind each point of the curve

Progress = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class TrainedMetric:
    """The learned metric and its learning curve.

    A curve row holds `step`, `split` (`train` or `held_out`), `loss`, `matched`,
    `mismatched_place` and, defined as in the released logs, `matched_released` and
    `mismatched_released`; scores are means over levels.
    """

    model: SpatialCoherence
    curve: list[dict[str, Any]]


def train_spatial(
    train: FrameProvider,
    held_out: FrameProvider | None,
    settings: SpatialSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    progress: Progress = iter,
) -> TrainedMetric:
    """Learn the metric with Adam; neutral frames are the query, emotion frames the key.

    Every step draws from a generator seeded by (`seed`, step), so a killed run that continues
    gives what an uninterrupted one gives. Source: ASCCL; constant learning rate, batch norm in
    training mode with separate statistics for the two emotions.

    Args:
        train: frames to learn from.
        held_out: frames of unseen actors for the curve, or None.
        settings: sizes, constants, number of steps.
        seed: of the initial weights and all draws.
        device: where to compute.
        folder: where to keep the state every `checkpoint_steps`, and to continue from it.
        progress: wrapper of the step loop, for example tqdm.

    Raises:
        SpfemError: if the loss stops being finite.
    """
    model = initial_metric(settings, seed).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    state_path = None if folder is None else folder / STATE_NAME
    first_step = 0
    curve: list[dict[str, Any]] = []
    if state_path is not None and state_path.exists():
        first_step, curve = load_state(state_path, model, optimiser)
    model.train()
    recent: list[torch.Tensor] = []
    for step in progress(range(first_step, settings.steps)):
        levels = _compare_drawn(model, train, settings.batch_size, (seed, step), device)
        loss = model.total(levels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        recent.append(loss.detach())
        done = step + 1
        if done % settings.curve_steps == 0 or done == settings.steps:
            mean_loss = float(torch.stack(recent).mean())
            if not np.isfinite(mean_loss):
                raise SpfemError(f"the spatial loss is not finite at step {done}; lower the rate")
            curve.append({"step": done, "split": "train", "loss": mean_loss, **_scores(levels)})
            if held_out is not None:
                curve.append(_held_out_row(model, held_out, done, seed, device))
            recent.clear()
        if state_path is not None and done % settings.checkpoint_steps == 0:
            save_state(state_path, model, optimiser, done, curve)
    return TrainedMetric(model.eval(), curve)


def _compare_drawn(
    model: SpatialCoherence,
    provider: FrameProvider,
    count: int,
    seeds: tuple[int, int],
    device: torch.device | str,
) -> list[LevelComparison]:
    random = np.random.default_rng(seeds)
    neutral, emotion = provider.draw(count, random)
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    query, key = (images_from_frames(frames, device) for frames in (neutral, emotion))
    return model.compare(query, key, generator=generator)


@torch.no_grad()
def _scores(levels: list[LevelComparison]) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    released = [
        released_similarity(
            level.query, level.key, torch.randperm(level.query.shape[2], generator=generator)
        )
        for level in levels
    ]
    columns = {
        "matched": [matched_similarity(level.query, level.key).mean() for level in levels],
        "mismatched_place": [
            mismatched_similarity(level.query, level.key).mean() for level in levels
        ],
        "matched_released": [positive for positive, _ in released],
        "mismatched_released": [negative for _, negative in released],
    }
    return {name: float(torch.stack(values).mean()) for name, values in columns.items()}


@torch.no_grad()
def _held_out_row(
    model: SpatialCoherence,
    provider: FrameProvider,
    step: int,
    seed: int,
    device: torch.device | str,
) -> dict[str, Any]:
    """One curve row on the same held-out frames and places at every step."""
    model.eval()
    rows = []
    for batch in range(CURVE_BATCHES):
        levels = _compare_drawn(model, provider, model.settings.batch_size, (seed, batch), device)
        rows.append({"loss": float(model.total(levels)), **_scores(levels)})
    model.train()
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return {"step": step, "split": "held_out", **means}
