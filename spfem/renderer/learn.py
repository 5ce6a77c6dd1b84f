"""Train a renderer: over many actors, then again on one, where wanted supervised by metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from spfem.errors import InputError, SettingsError
from spfem.precision import autocast
from spfem.renderer.data import (
    RendererClip,
    Sequences,
    cover_outside,
    draw_sequences,
    jitter_conditions,
    to_network,
)
from spfem.renderer.losses import PairLoss, PairSupervision, pair_terms, renderer_losses
from spfem.renderer.networks import TrainedRenderer, copy_renderer, new_renderer
from spfem.renderer.render import generate_chunk
from spfem.settings import RendererSettings
from spfem.training import CURVE_ROWS, Progress, falling_rate, step_random, torch_generator, train

FaceLoss = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Scalar loss of generated and source windows (B, T, 3, S, S) in [-1, 1], black outside the mask.

The metric behind it is frozen, takes the gradient through the generated side and draws its
places from the generator, so that a resumed training sees the same ones.
"""


@dataclass(frozen=True)
class FaceTerm:
    """A metric that compares generated pictures with the source frames of their moments.

    Attributes:
        name: its column of the curve.
        weight: of the loss.
        frames: T, consecutive frames that are compared.
        loss: of the metric.
    """

    name: str
    weight: float
    frames: int
    loss: FaceLoss


@dataclass(frozen=True)
class RendererSupervision:
    """Everything that supervises one renderer.

    Attributes:
        faces: metrics on generated pictures (ASCCL, STCCL).
        pairs: retrieved pairs and their metric (SCMCL), or None.
        every: steps between uses.
        released_form: metrics of `faces` see reconstructions instead of emotion-changed pictures.
    """

    faces: tuple[FaceTerm, ...] = ()
    pairs: PairSupervision | None = None
    every: int = 1
    released_form: bool = False

    @property
    def window_frames(self) -> int:
        """Frames of the widest window that a metric compares; 0 without such metrics."""
        return max((term.frames for term in self.faces), default=0)

    def check(self, settings: RendererSettings) -> None:
        """Refuse what a training with `settings` cannot offer (`SettingsError`)."""
        names = [term.name for term in self.faces]
        if self.every < 1 or len(set(names)) < len(names):
            raise SettingsError(
                f"renderer supervision needs renderer_every of 1 or more and terms of different "
                f"names, found {self.every} and {names}"
            )
        if self.window_frames > min(settings.sequence_frames):
            raise SettingsError(
                f"sequences of {min(settings.sequence_frames)} frames are shorter than the "
                f"{self.window_frames} frames that a metric compares; enlarge sequence_frames of "
                "the renderer or shorten the metric's window"
            )


def supervising_terms(
    renderer: TrainedRenderer,
    supervision: RendererSupervision,
    sequence: Sequences,
    position: int,
    *,
    random: np.random.Generator,
    device: torch.device | str,
    perceptual: PairLoss | None = None,
) -> dict[str, Tensor]:
    """Weighted terms of one supervised step, by name; only the generator should take a gradient.

    Args:
        renderer: that is trained.
        supervision: what to add.
        sequence: frames of this step's clips.
        position: of the step's first frame in the sequence. Windows start there, or earlier where
            the sequence would end too soon.
        random: the random numbers of the step.
        device: of the networks.
        perceptual: reconstructs retrieved frames, where the user's own VGG19 is given.
    """
    terms: dict[str, Tensor] = {}
    if supervision.faces:
        edited = sequence.conditions if supervision.released_form else sequence.edited_conditions
        made, source = _beside_source(
            renderer, sequence, edited, position, supervision.window_frames, device
        )
        # A metric computes in the precision that it was learned in.
        with torch.autocast(torch.device(device).type, enabled=False):
            for term in supervision.faces:
                places = torch_generator(random)
                value = term.loss(made[:, -term.frames :], source[:, -term.frames :], places)
                terms[term.name] = term.weight * value
    if supervision.pairs is not None:
        rows = supervision.pairs.draw(random)
        terms |= pair_terms(renderer, supervision.pairs, rows, device, perceptual)
    return terms


def _beside_source(
    renderer: TrainedRenderer,
    sequence: Sequences,
    conditions: np.ndarray | None,
    position: int,
    frames: int,
    device: torch.device | str,
) -> tuple[Tensor, Tensor]:
    """Pictures of conditions, edited or the clip's own, and the source frames of their moments.

    Both (B, T, 3, S, S) float32 in [-1, 1], black outside their masks; the first are made as at
    the start of a clip, without own pictures before them, and carry the generator's gradient.
    """
    if conditions is None:
        raise InputError(
            "supervision by a metric needs edited_conditions in every renderer clip; render them "
            "with the manipulator's output or train without supervision"
        )
    lead = renderer.settings.window_frames - 1
    first = max(0, min(position, sequence.faces.shape[1] - frames))
    seen = slice(first, first + frames + lead)
    told = to_network(conditions[:, seen], device)
    made, _ = generate_chunk(renderer.generator, told, None)
    masks = to_network(sequence.conditions[:, seen, ..., -1:], device)[:, lead:]
    faces = to_network(sequence.faces[:, first : first + frames], device) * 2 - 1
    return made.float(), cover_outside(faces, masks)


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
    start. One optimiser is for the generator, one for all discriminators.

    Source: NED; ASCCL, STCCL and SCMCL for `supervision`, which departs from the released code of
    the former two in comparing emotion-changed output with the source, as the papers describe;
    the released form compares a reconstruction with its own ground truth.

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
    lead = settings.window_frames - 1
    shape = (settings.batch_size, lead, 3, settings.image_size, settings.image_size)
    last.register_buffer("pictures", torch.zeros(shape, device=device))
    every = 1 if supervision is None else supervision.every  # each row has a supervised step
    places = _places(steps, settings)
    drawn: dict[int, Sequences] = {}  # the sequence of the present step, by its first step

    def step(index: int, random: np.random.Generator) -> dict[str, Tensor]:
        first, position, frames = places[index]
        if first not in drawn:  # a run that goes on amid a sequence draws it as its first step did
            draws = random if first == index else step_random(seed, first)
            drawn.clear()
            drawn[first] = draw_sequences(clips, frames, settings, draws)
        sequence = drawn[first]
        now = slice(position, position + settings.chunk_frames)
        mouths, eyes = sequence.mouth_centres[:, now], sequence.eye_centres
        with autocast(device, settings.precision):
            seen = to_network(sequence.conditions[:, position : now.stop + lead], device)
            conditions = jitter_conditions(seen, settings.augmentation, torch_generator(random))
            generated, following = generate_chunk(
                renderer.generator, conditions, last.get_buffer("pictures") if position else None
            )
            last.get_buffer("pictures").copy_(following)
            newest = conditions[:, lead:].flatten(0, 1)
            faces = to_network(sequence.faces[:, now], device).flatten(0, 1) * 2 - 1
            ours, theirs = renderer_losses(
                renderer,
                newest,
                generated.flatten(0, 1),
                cover_outside(faces, newest[:, -1:]),
                torch.from_numpy(mouths).flatten(0, 1),
                perceptual,
                eye_centres=None if eyes is None else torch.from_numpy(eyes[:, now]).flatten(0, 1),
            )
            if supervision is not None and index % every == 0:
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
        row_steps=min(steps, -(-max(1, steps // CURVE_ROWS) // every) * every),
        folder=folder,
        progress=progress,
    )
    renderer.curve.extend(rows)
    return renderer


def _places(steps: int, settings: RendererSettings) -> list[tuple[int, int, int]]:
    """Of each step: the first step of its sequence, its first frame there, the sequence's length.

    Lengths grow with the quarters of the training.
    """
    places: list[tuple[int, int, int]] = []
    while len(places) < steps:
        first = len(places)
        quarter = min(4 * first // steps, len(settings.sequence_frames) - 1)
        frames, chunk = settings.sequence_frames[quarter], settings.chunk_frames
        places += [(first, start, frames) for start in range(0, frames - chunk + 1, chunk)]
    return places
