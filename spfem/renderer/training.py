"""Train a renderer: over many actors, then again on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from spfem.errors import SettingsError
from spfem.precision import autocast
from spfem.renderer.augmentation import jitter_conditions
from spfem.renderer.checkpoint import TrainedRenderer, copy_renderer, new_renderer
from spfem.renderer.clips import RendererClip, Sequences, draw_sequences
from spfem.renderer.conditions import cover_outside, to_network
from spfem.renderer.objective import PairLoss, renderer_losses
from spfem.renderer.recurrence import generate_chunk
from spfem.renderer.supervision import RendererSupervision, supervising_terms
from spfem.settings import RendererSettings
from spfem.training import (
    CURVE_ROWS,
    Progress,
    falling_rate,
    step_random,
    torch_generator,
    train,
)

BETAS = (0.5, 0.999)  # of Adam


def renderer_optimisers(renderer: TrainedRenderer, learning_rate: float) -> dict[str, Adam]:
    """One optimiser for the generator, and one for all discriminators."""
    generator, *others = renderer.networks().values()
    sides = {"generator": generator, "discriminators": nn.ModuleList(others)}
    return {
        name: Adam(side.parameters(), lr=learning_rate, betas=BETAS, fused=True)
        for name, side in sides.items()
    }


def update_renderer(
    optimisers: Mapping[str, Adam], ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> None:
    """One step of the generator on the sum of `ours`, of the discriminators on `theirs`."""
    own, other = (optimiser.param_groups[0]["params"] for optimiser in optimisers.values())
    for optimiser in optimisers.values():
        optimiser.zero_grad(set_to_none=True)
    # Both sides share the discriminators' graph, so gradients come before any step.
    torch.stack(list(ours.values())).sum().backward(inputs=own, retain_graph=bool(theirs))
    if theirs:
        torch.stack(list(theirs.values())).sum().backward(inputs=other)
    for optimiser in optimisers.values():
        optimiser.step()


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
    progress: Progress = iter,
    folder: Path | None = None,
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
        folder: of the state from which a killed run continues.

    Raises:
        InputError: if there are no clips, or no edited conditions for `supervision`.
        SettingsError: if steps, sequence lengths or `supervision` make no sense.
        CheckpointError: if `initial` does not fit the settings.
        TrainingStateError: if the state in the folder is damaged or of another training.

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
        network.to(device)
    optimisers = renderer_optimisers(renderer, rate)
    last = nn.Module()  # what a step hands on to the next: the last own pictures of the sequence
    shape = (settings.batch_size, settings.window_frames - 1, 3, *2 * [settings.image_size])
    last.register_buffer("pictures", torch.zeros(shape, device=device))
    places = _places(steps, settings)
    drawn: dict[int, Sequences] = {}  # the sequence of the present step, by its first step

    def step(index: int, random: np.random.Generator) -> dict[str, Tensor]:
        first, position = places[index]
        if first not in drawn:  # a run that goes on amid a sequence draws it as its first step did
            draws = random if first == index else step_random(seed, first)
            drawn.clear()
            drawn[first] = draw_sequences(
                clips, _frames_at(first, steps, settings), settings, draws
            )
        sequence = drawn[first]
        part = _chunk(sequence, position, settings)
        with autocast(device, settings.precision):
            conditions = jitter_conditions(
                to_network(part.conditions, device), settings.augmentation, torch_generator(random)
            )
            generated, following = generate_chunk(
                renderer.generator, conditions, last.get_buffer("pictures") if position else None
            )
            last.get_buffer("pictures").copy_(following)
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
            if supervision is not None and index % supervision.every == 0:
                ours |= supervising_terms(
                    renderer,
                    supervision,
                    sequence,
                    position,
                    random=random,
                    device=device,
                    perceptual=perceptual,
                )
        update_renderer(optimisers, ours, theirs)
        return {**ours, **theirs}

    rows = train(
        {**renderer.networks(), "last pictures": last},
        optimisers,
        step,
        name="the renderer",
        steps=steps,
        seed=seed,
        settings=asdict(settings),
        rate=falling_rate(steps, settings.decay_fraction),
        row_steps=_steps_a_row(steps, supervision),
        folder=folder,
        progress=progress,
    )
    renderer.curve.extend(rows)
    return renderer


def _places(steps: int, settings: RendererSettings) -> list[tuple[int, int]]:
    """Of each step: the first step of its sequence, and its first frame in that sequence."""
    places = [(0, 0)]
    while len(places) < steps:
        first, position = places[-1]
        position += settings.chunk_frames
        if position + settings.chunk_frames > _frames_at(first, steps, settings):
            first, position = len(places), 0
        places.append((first, position))
    return places


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
    least = max(1, steps // CURVE_ROWS)
    every = 1 if supervision is None else supervision.every
    return min(steps, -(-least // every) * every)


def _frames_at(step: int, steps: int, settings: RendererSettings) -> int:
    quarter = min(4 * step // steps, len(settings.sequence_frames) - 1)
    return settings.sequence_frames[quarter]
