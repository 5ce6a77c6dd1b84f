"""What a training needs of the correlation metrics that supervise it, whatever they are.

One step of the training: discriminator and generator, by label and by reference.

Training of the expression manipulator (NED), optionally supervised by correlation metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from spfem.errors import ShapeError
from spfem.manipulator.data import WindowBatch, Windows
from spfem.manipulator.losses import PairedWindows, discriminator_loss, generator_terms
from spfem.manipulator.networks import ExpressionSpace, Manipulator
from spfem.precision import upload
from spfem.settings import ManipulatorSettings
from spfem.training import Progress, Row, falling_rate, step_generator, train


@dataclass(frozen=True)
class Retrieved:
    """For each source window of a batch one real window of the wanted emotion that sounds alike.

    Attributes:
        window: (B,) int64, number among the training windows, -1 where there is none.
        distance: (B,) audio distance; infinite where there is none. Between two emotions that
            are not neutral: from the neutral window in between.
        by_way_of: (B,) int64, that neutral window, else -1.
        first_distance: (B,) audio distance from the source to that neutral window, else 0;
            infinite where there is no pair.
    """

    window: Tensor
    distance: Tensor
    by_way_of: Tensor
    first_distance: Tensor

    @property
    def paired(self) -> Tensor:
        """(B,) bool, which windows have a pair."""
        return self.window >= 0


@dataclass(frozen=True)
class Edit:
    """The reference-driven edits of one step, as supervision sees them.

    Attributes:
        source: windows that were edited; expressions as the networks see them (standardised).
        edited: (B, W, E) results, standardised, with gradient to the generator.
        label: (B,) int64, wanted emotions.
        restore: maps standardised (..., E) to coefficients, which metrics and heads know.
        step: of the training, from 0.
        retrieved: where retrieval supervises, else None.
        pairs: the retrieved windows, standardised; None if the batch has none.
    """

    source: WindowBatch
    edited: Tensor
    label: Tensor
    restore: Callable[[Tensor], Tensor]
    step: int
    retrieved: Retrieved | None = None
    pairs: PairedWindows | None = None


@dataclass(frozen=True)
class Guide:
    """Supervision of one training.

    All randomness must depend on the step alone, so that a killed training can resume.

    Attributes:
        weights: of the losses, by name.
        losses: scalars of an edit, the same names.
        retrieve: (source, wanted emotions (B,), step) to retrieved windows; None for methods
            without pairs.
    """

    weights: Mapping[str, float]
    losses: Callable[[Edit], dict[str, Tensor]]
    retrieve: Callable[[WindowBatch, Tensor, int], Retrieved] | None = None


@dataclass(frozen=True)
class Supervision:
    """What supervises a manipulator, what identifies it, and how it begins.

    Attributes:
        settings: plain values that decide the losses, such as their weights.
        inputs: digests of checkpoints, banks and code that decide the losses.
        bind: gets the clip keys in training order and all training windows, in coefficients
            (not yet standardised).
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    bind: Callable[[tuple[str, ...], Windows], Guide]


SECOND_BETA = 0.99  # of Adam
SOURCE, REFERENCE = 0, 1  # roles of the two loaders
LATENTS = 0  # which random numbers


class Trainer:
    """One training: the networks, their optimisers and the step.

    Source: NED for steps without supervision. In a supervised one the reference-driven part
    adds the guide's losses, and, with retrieval, the paired terms of SCMCL; there the style
    encoder learns from references too, whatever `settings.encode_reference` says. Departs from
    SCMCL, which starts from trained NED weights and leaves the label-driven part out: here both
    parts are trained from the start, so that labels keep working.

    Args:
        manipulator: networks, changed in place.
        settings: weights and rates.
        windows: to learn from, standardised.
        guide: what supervises, or None.
        seed: of latents and noise.
    """

    def __init__(
        self,
        manipulator: Manipulator,
        settings: ManipulatorSettings,
        windows: Windows,
        guide: Guide | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.manipulator, self.settings, self.windows = manipulator, settings, windows
        self.guide, self.seed = guide, seed
        networks: dict[str, nn.Module] = {
            "generator": manipulator.generator,
            "style_encoder": manipulator.style_encoder,
            "mapping_network": manipulator.mapping_network,
            "discriminator": manipulator.discriminator,
        }
        betas = (settings.first_beta, SECOND_BETA)
        self.optimisers = {
            name: Adam(network.parameters(), lr=settings.learning_rate, betas=betas, fused=True)
            for name, network in networks.items()
        }
        self.optimisers["discriminator"].param_groups[0]["lr"] *= settings.discriminator_rate

    def step(self, number: int, random: np.random.Generator) -> dict[str, Tensor]:
        """Make iteration `number`; return its losses (those of both generator steps averaged).

        The windows of a step have their place in the order of an epoch, so `random` is not used.
        """
        self.random = step_generator(self.seed, LATENTS, number)
        networks = self.manipulator
        source = self.windows.batch(number, SOURCE)
        reference = self.windows.batch(number, REFERENCE)
        label = reference.label
        retrieved, pairs = self._retrieve(source, label, number)
        latent = self._draw(len(label), self.settings.latent_size)
        with torch.no_grad():
            latent_style = networks.mapping_network(latent, label)
            reference_style = networks.style_encoder(reference.expression)
        by_latent = self._discriminate(source, latent_style, label)
        by_reference = self._discriminate(source, reference_style, label, pairs)
        latent_style = networks.mapping_network(latent, label)
        everything = ("generator", "mapping_network", "style_encoder")
        first, _ = self._generate(source, latent_style, label, everything)
        encode = self.settings.encode_reference or retrieved is not None
        with torch.set_grad_enabled(encode):
            reference_style = networks.style_encoder(reference.expression)
        second, guided = self._generate(
            source,
            reference_style,
            label,
            ("generator", "style_encoder") if encode else ("generator",),
            guide=self.guide,
            step=number,
            retrieved=retrieved,
            pairs=pairs,
        )
        shared = {name: (value + second[name]) / 2 for name, value in first.items()}
        return {"discriminator": (by_latent + by_reference) / 2, **shared, **guided}

    def _draw(self, *shape: int) -> Tensor:
        """Normal random numbers, drawn on the CPU so that devices agree."""
        return upload(torch.randn(*shape, generator=self.random), self.manipulator.device)

    def _blur(self, windows: Tensor) -> Tensor:
        """Add noise to what the discriminator sees."""
        noise = self.settings.discriminator_noise
        return windows + noise * self._draw(*windows.shape) if noise else windows

    def _retrieve(
        self, source: WindowBatch, label: Tensor, number: int
    ) -> tuple[Retrieved | None, PairedWindows | None]:
        if self.guide is None or self.guide.retrieve is None:
            return None, None
        retrieved = self.guide.retrieve(source, label, number)
        rows = retrieved.paired.nonzero()[:, 0]
        if not len(rows):
            return retrieved, None
        target = self.windows.take(retrieved.window[rows]).expression
        return retrieved, PairedWindows(rows, target)

    def _discriminate(
        self,
        source: WindowBatch,
        style: Tensor,
        label: Tensor,
        pairs: PairedWindows | None = None,
    ) -> Tensor:
        networks = self.manipulator
        before, styles, labels = [source.expression], [style], [label]
        if pairs is not None:
            before.append(pairs.target)
            styles.append(style[pairs.rows])
            labels.append(label[pairs.rows])
        with torch.no_grad():
            fake = networks.generator(torch.cat(before), torch.cat(styles))
        real_loss, fake_loss = discriminator_loss(
            networks.discriminator,
            self._blur(source.expression),
            source.label,
            self._blur(fake),
            torch.cat(labels),
            retrieved=self._blur(pairs.target) if pairs else None,
            retrieved_label=labels[1] if pairs else None,
        )
        self._update(real_loss + fake_loss, "discriminator")
        return (real_loss + fake_loss).detach()

    def _generate(
        self,
        source: WindowBatch,
        style: Tensor,
        label: Tensor,
        names: Sequence[str],
        *,
        guide: Guide | None = None,
        step: int = 0,
        retrieved: Retrieved | None = None,
        pairs: PairedWindows | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Update the named networks; return NED's losses and those of the guide."""
        networks, settings = self.manipulator, self.settings
        networks.discriminator.requires_grad_(False)
        terms = generator_terms(
            networks.generator,
            networks.style_encoder,
            networks.discriminator,
            source.expression,
            style,
            label,
            fixed_style_target=settings.fixed_style_target,
            blur=self._blur,
            pairs=pairs,
        )
        loss = terms.total(
            style_weight=settings.style_weight,
            cycle_weight=settings.cycle_weight,
            mouth_weight=settings.mouth_weight,
        )
        guided: dict[str, Tensor] = {}
        if guide is not None:
            edit = Edit(source, terms.edited, label, networks.restore, step, retrieved, pairs)
            guided = guide.losses(edit)
            for name, value in guided.items():
                loss = loss + guide.weights[name] * value
        self._update(loss, *names)
        networks.discriminator.requires_grad_(True)
        values = {
            "adversarial": terms.adversarial,
            "style": terms.style,
            "cycle": terms.cycle,
            "mouth": terms.mouth,
        }
        return (
            {name: value.detach() for name, value in values.items()},
            {name: value.detach() for name, value in guided.items()},
        )

    def _update(self, loss: Tensor, *names: str) -> None:
        self.manipulator.zero_grad(set_to_none=True)
        loss.backward()
        for name in names:
            self.optimisers[name].step()


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
