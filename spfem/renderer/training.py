"""Train a renderer: over many actors, then again on one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from spfem.errors import SettingsError
from spfem.precision import autocast
from spfem.renderer.augmentation import jitter_conditions
from spfem.renderer.checkpoint import TrainedRenderer, copy_renderer, new_renderer
from spfem.renderer.clips import RendererClip, Sequences, draw_sequences
from spfem.renderer.conditions import cover_outside, to_network
from spfem.renderer.objective import PairLoss, renderer_losses
from spfem.renderer.recurrence import generate_chunk
from spfem.renderer.supervision import RendererSupervision, supervising_terms
from spfem.renderer.training_state import TrainingState
from spfem.settings import RendererSettings

ROWS = 100  # of the curve, at most


def train_renderer(
    clips: Sequence[RendererClip],
    settings: RendererSettings,
    *,
    seed: int,
    steps: int,
    device: torch.device | str = "cpu",
    initial: TrainedRenderer | None = None,
    supervision: RendererSupervision | None = None,
    perceptual: PairLoss | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    checkpoint_folder: Path | None = None,
) -> TrainedRenderer:
    """Train for `steps` steps and return the networks with their curve.

    A step takes the next `chunk_frames` frames of `batch_size` clips; the last two own pictures
    are carried without gradient to the next chunk of the same sequence, and are absent at its
    start. One optimiser is for the generator, one for both discriminators.

    Args:
        clips: to learn from; any sequence, also one that loads clips when asked.
        settings: networks, weights, rates.
        seed: of weights and draws; one seed gives one result on one machine.
        steps: number of steps in all, also when resumed.
        device: to train on.
        initial: renderer to start from (adaptation, at `adapt_learning_rate`), left unchanged;
            optimisers start anew.
        supervision: metrics that add terms to the generator's loss every few steps, each with a
            column of the curve, whose rows then cover as many steps. Those that compare
            emotion-changed pictures need `edited_conditions` in every clip.
        perceptual: loss of generated and real pictures, such as `PerceptualLoss`.
        progress: wraps the steps, to show them.
        checkpoint_folder: where the state is kept so that a killed run continues; None for not.

    Raises:
        InputError: if there are no clips, or no edited conditions for `supervision`.
        SettingsError: if steps, sequence lengths or `supervision` make no sense.
        CheckpointError: if `initial` or a kept state does not fit the settings.

    Source: NED; ASCCL, STCCL and SCMCL for `supervision`, which departs from the released code of
    the former two in comparing emotion-changed output with the source, as the papers describe.
    """
    if steps < 1 or min(settings.sequence_frames) < settings.chunk_frames:
        raise SettingsError(
            f"cannot train {steps} steps with sequences of {settings.sequence_frames} frames and "
            f"chunks of {settings.chunk_frames}; use at least one step and one chunk a sequence"
        )
    if supervision is not None:
        supervision.check(settings)
    renderer = copy_renderer(initial, settings) if initial else new_renderer(settings, seed)
    rate = settings.adapt_learning_rate if initial else settings.learning_rate
    for network in renderer.networks().values():
        network.to(device).train()
    state = TrainingState(renderer, settings, seed=seed, steps=steps, folder=checkpoint_folder)
    state.restore()
    sequence: Sequences | None = None
    position, previous = 0, None
    for step in progress(range(state.step, steps)):
        if sequence is None:
            state.keep(step)
            random = np.random.default_rng([seed, step])
            sequence = draw_sequences(clips, _frames_at(step, steps, settings), settings, random)
            position, previous = 0, None
        part = _chunk(sequence, position, settings)
        state.set_rate(rate * _decay_at(step, steps, settings))
        jitter = torch.Generator().manual_seed(seed * 1_000_003 + step)
        with autocast(device, settings.precision):
            conditions = jitter_conditions(
                to_network(part.conditions, device), settings.augmentation, jitter
            )
            generated, previous = generate_chunk(renderer.generator, conditions, previous)
            newest = conditions[:, settings.window_frames - 1 :].flatten(0, 1)
            real = cover_outside(
                to_network(part.faces, device).flatten(0, 1) * 2 - 1, newest[:, -1:]
            )
            centres = torch.from_numpy(part.mouth_centres).flatten(0, 1)
            eyes = None if part.eye_centres is None else torch.from_numpy(part.eye_centres)
            ours, theirs = renderer_losses(
                renderer,
                newest,
                generated.flatten(0, 1),
                real,
                centres,
                perceptual,
                eye_centres=None if eyes is None else eyes.flatten(0, 1),
            )
            if supervision is not None and step % supervision.every == 0:
                ours |= supervising_terms(
                    renderer,
                    supervision,
                    sequence,
                    position,
                    key=(seed, step),
                    device=device,
                    perceptual=perceptual,
                )
        state.update(ours, theirs)
        state.record(step, {**ours, **theirs}, every=_steps_a_row(steps, supervision))
        position += settings.chunk_frames
        if position + settings.chunk_frames > sequence.faces.shape[1]:
            sequence = None
    state.discard()
    for network in renderer.networks().values():
        network.eval()
    return renderer


def _chunk(sequence: Sequences, position: int, settings: RendererSettings) -> Sequences:
    end = position + settings.chunk_frames
    seen = slice(position, end + settings.window_frames - 1)
    edited = sequence.edited_conditions
    return Sequences(
        sequence.conditions[:, seen],
        sequence.faces[:, position:end],
        sequence.mouth_centres[:, position:end],
        None if edited is None else edited[:, seen],
        None if sequence.eye_centres is None else sequence.eye_centres[:, position:end],
    )


def _steps_a_row(steps: int, supervision: RendererSupervision | None) -> int:
    """Steps that a row of the curve covers; each row holds a supervised step."""
    least = max(1, steps // ROWS)
    every = 1 if supervision is None else supervision.every
    return min(steps, -(-least // every) * every)


def _frames_at(step: int, steps: int, settings: RendererSettings) -> int:
    quarter = min(4 * step // steps, len(settings.sequence_frames) - 1)
    return settings.sequence_frames[quarter]


def _decay_at(step: int, steps: int, settings: RendererSettings) -> float:
    falling = settings.decay_fraction * steps
    return min(1.0, (steps - step) / falling) if falling else 1.0
