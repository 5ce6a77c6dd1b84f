"""Training of the expression manipulator (NED), optionally supervised by correlation metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from spfem.errors import InputError, ShapeError
from spfem.manipulator.data import REFERENCE, SOURCE, ExpressionWindows, WindowBatch
from spfem.manipulator.losses import (
    GeneratorTerms,
    PairedWindows,
    discriminator_loss,
    generator_terms,
)
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
class SupervisedEdit:
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
    """What supervises the edits of one training, beside NED's own losses.

    All randomness must depend on the step alone, so that a killed training can resume.

    Attributes:
        weights: of the losses, by name.
        losses: scalars of an edit, the same names.
        retrieve: (source, wanted emotions (B,), step) to retrieved windows; None for methods
            without pairs.
    """

    weights: Mapping[str, float]
    losses: Callable[[SupervisedEdit], dict[str, Tensor]]
    retrieve: Callable[[WindowBatch, Tensor, int], Retrieved] | None = None


SECOND_BETA = 0.99  # of Adam
LATENTS = 0  # which random numbers
TERMS = ("adversarial", "style", "cycle", "mouth")
NETWORKS = ("generator", "style_encoder", "mapping_network", "discriminator")


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
        windows: to learn from, standardised; their seed is that of latents and noise, too.
        guide: what supervises, or None.
    """

    def __init__(
        self,
        manipulator: Manipulator,
        settings: ManipulatorSettings,
        windows: ExpressionWindows,
        guide: Guide | None = None,
    ) -> None:
        self.manipulator, self.settings = manipulator, settings
        self.windows, self.guide = windows, guide
        self.optimisers = {
            name: Adam(
                manipulator.get_submodule(name).parameters(),
                lr=settings.learning_rate,
                betas=(settings.first_beta, SECOND_BETA),
                fused=True,
            )
            for name in NETWORKS
        }
        self.optimisers["discriminator"].param_groups[0]["lr"] *= settings.discriminator_rate

    def step(self, number: int, random: np.random.Generator) -> dict[str, Tensor]:
        """Make iteration `number`; return its losses (those of both generator steps averaged).

        The windows of a step have their place in the order of an epoch, so `random` is not used.
        """
        self.random = step_generator(self.windows.seed, LATENTS, number)
        networks, guide = self.manipulator, self.guide
        source = self.windows.batch(number, SOURCE)
        reference = self.windows.batch(number, REFERENCE)
        label = reference.label
        retrieved, pairs = self._retrieve(source, label, number)
        latent = self._draw(len(label), self.settings.latent_size)
        losses = {}
        if self.settings.adversarial_weight:
            with torch.no_grad():
                latent_style = networks.mapping_network(latent, label)
                reference_style = networks.style_encoder(reference.expression)
            judged = self._discriminate(source, latent_style, label)
            judged = judged + self._discriminate(source, reference_style, label, pairs)
            losses["discriminator"] = judged / 2

        first = self._terms(source, networks.mapping_network(latent, label), label)
        self._update(self._total(first), "generator", "mapping_network", "style_encoder")

        edit, second = self._edit_references(number, source, reference, retrieved, pairs)
        loss, guided = self._total(second), {}
        if guide is not None:
            guided = guide.losses(edit)
            for name, value in guided.items():
                loss = loss + guide.weights[name] * value
        encoder = ("style_encoder",) if self._encodes(retrieved) else ()
        self._update(loss, "generator", *encoder)
        terms = TERMS if "discriminator" in losses else TERMS[1:]
        for name in terms if first.aligned is None else (*terms, "aligned"):
            losses[name] = (getattr(first, name) + getattr(second, name)) / 2
        return {name: value.detach() for name, value in (losses | guided).items()}

    def judge_references(self, number: int) -> tuple[SupervisedEdit, Tensor]:
        """The reference-driven edits of iteration `number`, and NED's own loss on them.

        Nothing is updated.
        """
        self.random = step_generator(self.windows.seed, LATENTS, number)
        source, reference = (self.windows.batch(number, role) for role in (SOURCE, REFERENCE))
        found = self._retrieve(source, reference.label, number)
        edit, terms = self._edit_references(number, source, reference, *found)
        return edit, self._total(terms)

    def _edit_references(
        self,
        number: int,
        source: WindowBatch,
        reference: WindowBatch,
        retrieved: Retrieved | None,
        pairs: PairedWindows | None,
    ) -> tuple[SupervisedEdit, GeneratorTerms]:
        networks = self.manipulator
        with torch.set_grad_enabled(self._encodes(retrieved)):
            style = networks.style_encoder(reference.expression)
        terms = self._terms(source, style, reference.label, pairs)
        edit = SupervisedEdit(
            source, terms.edited, reference.label, networks.restore, number, retrieved, pairs
        )
        return edit, terms

    def _encodes(self, retrieved: Retrieved | None) -> bool:
        """Whether the style encoder learns from references."""
        return self.settings.encode_reference or retrieved is not None

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
        """Update the discriminator; return its loss."""
        networks = self.manipulator
        before, styles, labels = [source.expression], [style], [label]
        if pairs is not None:
            before.append(pairs.target)
            styles.append(style[pairs.rows])
            labels.append(label[pairs.rows])
        with torch.no_grad():
            fake = networks.generator(torch.cat(before), torch.cat(styles))
        networks.discriminator.requires_grad_(True)
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

    def _terms(
        self,
        source: WindowBatch,
        style: Tensor,
        label: Tensor,
        pairs: PairedWindows | None = None,
    ) -> GeneratorTerms:
        networks = self.manipulator
        networks.discriminator.requires_grad_(False)
        return generator_terms(
            networks.generator,
            networks.style_encoder,
            networks.discriminator if self.settings.adversarial_weight else None,
            source.expression,
            style,
            label,
            fixed_style_target=self.settings.fixed_style_target,
            blur=self._blur,
            pairs=pairs,
            counterpart=source.counterpart(label) if self.settings.aligned_weight else None,
        )

    def _total(self, terms: GeneratorTerms) -> Tensor:
        return terms.total(
            style_weight=self.settings.style_weight,
            cycle_weight=self.settings.cycle_weight,
            mouth_weight=self.settings.mouth_weight,
            adversarial_weight=self.settings.adversarial_weight,
            aligned_weight=self.settings.aligned_weight,
        )

    def _update(self, loss: Tensor, *names: str) -> None:
        self.manipulator.zero_grad(set_to_none=True)
        loss.backward()
        for name in names:
            self.optimisers[name].step()


def train_manipulator(
    windows: ExpressionWindows,
    settings: ManipulatorSettings,
    start: ExpressionSpace | Manipulator,
    guide: Guide | None = None,
    *,
    folder: Path | None = None,
    progress: Progress = iter,
) -> tuple[Manipulator, list[Row]]:
    """Learn to move expression sequences from any emotion to any other, without pairs.

    Source: NED. An iteration draws source and reference windows and updates, in this order, the
    discriminator on label-driven and on reference-driven edits, then generator, mapping network
    and style encoder on label-driven edits, then the generator on reference-driven edits. The
    learning rates fall linearly to 0 over the last `settings.decay_share` of the steps (NED: by
    epoch). Departs from NED where `settings.aligned_weight` is set: both generator steps also
    bring the edits to counterparts that other takes of the sentence tell
    (`spfem.manipulator.counterparts`).

    Args:
        windows: of all clips, in coefficients, on the device to train on; their seed is that of
            weights, order and latents.
        settings: sizes, steps, weights.
        start: the space of the coefficients for a new manipulator; or one to go on from for
            `tune_steps` at `tune_learning_rate`, left unchanged, whose scale of the space stays.
        guide: what supervises the reference-driven edits beside NED's own losses.
        folder: of the state from which a killed training continues.
        progress: wraps the iterable of steps, for example `tqdm`.

    Returns:
        The manipulator, in evaluation mode and without gradients, and the curve: `step` and the
        mean of each loss since the row before.

    Raises:
        InputError: if `settings.aligned_weight` needs counterparts, and the windows have none.
        ShapeError: if labels are no emotions, or the windows of another expression space.
        TrainingStateError: if the state in the folder is damaged or of another training.
    """
    if settings.aligned_weight and windows.counterparts is None:
        raise InputError(
            "the aligned loss needs counterparts of the windows; give them, or set aligned_weight 0"
        )
    space = start if isinstance(start, ExpressionSpace) else start.space
    manipulator = Manipulator(settings, space, seed=windows.seed).to(windows.frames.device)
    unknown = sorted(set(windows.labels.tolist()) - set(range(manipulator.emotions)))
    if unknown:
        raise ShapeError(f"labels {unknown} are no emotions; use 0 to {manipulator.emotions - 1}")
    if isinstance(start, Manipulator):
        manipulator.load_state_dict(start.state_dict())
        rate, steps = settings.tune_learning_rate, settings.tune_steps
        settings = replace(settings, learning_rate=rate, steps=steps)
    else:
        manipulator.measure_scale(windows.frames)
    trainer = Trainer(manipulator, settings, windows.map_frames(manipulator.standardise), guide)
    rows = train(
        {"manipulator": manipulator},
        trainer.optimisers,
        trainer.step,
        name="the manipulator",
        steps=settings.steps,
        seed=windows.seed,
        settings=settings,
        rate=falling_rate(settings.steps, settings.decay_share),
        folder=folder,
        progress=progress,
    )
    return manipulator.eval().requires_grad_(False), rows
