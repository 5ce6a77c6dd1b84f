"""Training of the expression manipulator (NED), optionally supervised by correlation metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.manipulator.data import Windows
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.manipulator.supervision import Guide
from spfem.manipulator.training_step import Trainer
from spfem.settings import ManipulatorSettings
from spfem.training import Progress, Row, falling_rate, train


@dataclass(frozen=True)
class TrainedManipulator:
    """A manipulator in evaluation mode and its learning curve.

    Attributes:
        manipulator: the trained networks, without gradients.
        rows: the curve: `step` and the mean of each loss since the row before.
    """

    manipulator: Manipulator
    rows: list[Row]


def train_manipulator(
    sequences: Sequence[Tensor],
    labels: Sequence[int],
    settings: ManipulatorSettings,
    *,
    space: ExpressionSpace,
    seed: int = 0,
    device: str = "cpu",
    guide: Callable[[Windows], Guide] | None = None,
    initial: Manipulator | None = None,
    progress: Progress = iter,
    folder: Path | None = None,
) -> TrainedManipulator:
    """Learn to move expression sequences from any emotion to any other, without pairs.

    Source: NED. An iteration draws source and reference windows and updates, in this order, the
    discriminator on label-driven and on reference-driven edits, then generator, mapping network
    and style encoder on label-driven edits, then the generator on reference-driven edits. The
    learning rates fall linearly to 0 over the last `settings.decay_share` of the steps (NED: by
    epoch).

    Args:
        sequences: expression coefficients (T, E) of each clip, jaw opening first.
        labels: emotion of each clip.
        settings: sizes, steps, weights; with `initial` `tune_steps` and `tune_learning_rate`.
        space: names and range of the E coefficients.
        seed: of weights, order and latents.
        device: where to train.
        guide: gets all windows, in coefficients, and returns what supervises the
            reference-driven edits beside NED's own losses.
        initial: manipulator to go on from, left unchanged, with its scale of the expression
            space; optimisers start anew.
        progress: wraps the iterable of steps, for example `tqdm`.
        folder: of the state from which a killed training continues.

    Raises:
        InputError: if there are no clips, or labels that are no emotions.
        ShapeError: if a sequence does not fit the window or the space.
        TrainingStateError: if the state in the folder is damaged or of another training.
    """
    manipulator = Manipulator(settings, space, seed=seed).to(device)
    if initial is not None:
        manipulator.load_state_dict(initial.state_dict())
        rate, steps = settings.tune_learning_rate, settings.tune_steps
        settings = replace(settings, learning_rate=rate, steps=steps)
    _check_labels(labels, manipulator.emotions)
    windows = Windows(
        [torch.as_tensor(sequence, dtype=torch.float32).to(device) for sequence in sequences],
        labels,
        window_frames=settings.window_frames,
        batch_size=settings.batch_size,
        seed=seed,
    )
    bound = guide(windows) if guide else None
    if initial is None:
        manipulator.measure_scale(windows.frames)
    windows.frames = manipulator.standardise(windows.frames)
    trainer = Trainer(manipulator, settings, windows, bound, seed=seed)
    rows = train(
        {"manipulator": manipulator},
        trainer.optimisers,
        trainer.step,
        name="the manipulator",
        steps=settings.steps,
        seed=seed,
        settings=settings,
        rate=falling_rate(settings.steps, settings.decay_share),
        folder=folder,
        progress=progress,
    )
    return TrainedManipulator(manipulator.eval().requires_grad_(False), rows)


def _check_labels(labels: Sequence[int], emotions: int) -> None:
    unknown = sorted({int(label) for label in labels} - set(range(emotions)))
    if unknown:
        raise ShapeError(f"labels {unknown} are no emotions; use 0 to {emotions - 1}")
