"""Training of the expression manipulator (NED), optionally supervised by a correlation metric."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from spfem.errors import ShapeError
from spfem.manipulator.data import WindowBatch, Windows
from spfem.manipulator.losses import discriminator_loss, generator_terms
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.manipulator.training_state import Rows, load_state, save_state
from spfem.settings import ManipulatorSettings

ExpressionLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(source (B, W, E), generated (B, W, E) with gradient, clip (B,) int64) to a scalar loss."""

ADAM_BETAS = (0.0, 0.99)
CURVE_ROWS = 100
SECONDS_BETWEEN_STATES = 20.0
STATE_NAME = "training_state.safetensors"
SOURCE, REFERENCE = 0, 1  # roles of the two loaders


@dataclass(frozen=True)
class TrainedManipulator:
    """A manipulator in evaluation mode and its learning curve.

    Attributes:
        manipulator: the trained networks, without gradients.
        rows: the curve: `step` and the mean of each loss since the row before.
    """

    manipulator: Manipulator
    rows: Rows


class _Trainer:
    """One training: the networks, their optimisers and the step."""

    def __init__(
        self, manipulator: Manipulator, settings: ManipulatorSettings, loss: ExpressionLoss | None
    ) -> None:
        self.manipulator, self.settings, self.expression_loss = manipulator, settings, loss
        networks: dict[str, nn.Module] = {
            "generator": manipulator.generator,
            "style_encoder": manipulator.style_encoder,
            "mapping_network": manipulator.mapping_network,
            "discriminator": manipulator.discriminator,
        }
        self.optimisers = {
            name: Adam(network.parameters(), lr=settings.learning_rate, betas=ADAM_BETAS)
            for name, network in networks.items()
        }

    def set_learning_rate(self, step: int) -> None:
        settings = self.settings
        decaying = max(1, round(settings.decay_share * settings.steps))
        share = min(1.0, (settings.steps - step) / decaying)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * share

    def discriminate(self, source: WindowBatch, style: Tensor, label: Tensor) -> Tensor:
        networks = self.manipulator
        with torch.no_grad():
            fake = networks.generator(source.expression, style)
        real_loss, fake_loss = discriminator_loss(
            networks.discriminator, source.expression, source.label, fake, label
        )
        self._update(real_loss + fake_loss, "discriminator")
        return (real_loss + fake_loss).detach()

    def generate(
        self, source: WindowBatch, style: Tensor, label: Tensor, names: Sequence[str], metric: bool
    ) -> dict[str, Tensor]:
        networks, settings = self.manipulator, self.settings
        networks.discriminator.requires_grad_(False)
        terms = generator_terms(
            networks.generator,
            networks.style_encoder,
            networks.discriminator,
            source.expression,
            style,
            label,
        )
        loss = terms.total(
            style_weight=settings.style_weight,
            cycle_weight=settings.cycle_weight,
            mouth_weight=settings.mouth_weight,
        )
        values = {
            "adversarial": terms.adversarial,
            "style": terms.style,
            "cycle": terms.cycle,
            "mouth": terms.mouth,
        }
        if metric and self.expression_loss is not None:
            before = networks.restore(source.expression)
            values["metric"] = self.expression_loss(
                before, networks.restore(terms.edited), source.clip
            )
            loss = loss + settings.metric_weight * values["metric"]
        self._update(loss, *names)
        networks.discriminator.requires_grad_(True)
        return {name: value.detach() for name, value in values.items()}

    def _update(self, loss: Tensor, *names: str) -> None:
        self.manipulator.zero_grad(set_to_none=True)
        loss.backward()
        for name in names:
            self.optimisers[name].step()

    def step(
        self, source: WindowBatch, reference: WindowBatch, latent: Tensor
    ) -> dict[str, Tensor]:
        """Make one iteration; return its losses (those of the two generator steps averaged)."""
        networks, label = self.manipulator, reference.label
        with torch.no_grad():
            latent_style = networks.mapping_network(latent, label)
            reference_style = networks.style_encoder(reference.expression)
        by_latent = self.discriminate(source, latent_style, label)
        by_reference = self.discriminate(source, reference_style, label)
        first = self.generate(
            source,
            networks.mapping_network(latent, label),
            label,
            ("generator", "mapping_network", "style_encoder"),
            metric=False,
        )
        with torch.no_grad():  # the reference step updates the generator only
            reference_style = networks.style_encoder(reference.expression)
        second = self.generate(source, reference_style, label, ("generator",), metric=True)
        values = {name: (first.get(name, second[name]) + second[name]) / 2 for name in second}
        return {"discriminator": (by_latent + by_reference) / 2, **values}


def _latents(settings: ManipulatorSettings, seed: int, step: int, count: int) -> Tensor:
    random = torch.Generator().manual_seed((seed << 32) + step)
    return torch.randn(count, settings.latent_size, generator=random)


def train_manipulator(
    sequences: Sequence[Tensor],
    labels: Sequence[int],
    settings: ManipulatorSettings,
    *,
    space: ExpressionSpace,
    seed: int = 0,
    device: str = "cpu",
    expression_loss: ExpressionLoss | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    checkpoint_folder: Path | None = None,
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
        settings: sizes, steps, weights.
        space: names and range of the E coefficients.
        seed: of weights, order and latents.
        device: where to train.
        expression_loss: a further loss on the reference-driven edits, weighted by
            `settings.metric_weight`; it gets unstandardised coefficients and the positions of
            the clips in `sequences`. This is how the correlation metrics supervise.
        progress: wraps the iterable of steps, for example `tqdm`.
        checkpoint_folder: where to keep the state, about every 20 seconds, and to resume from;
            a resumed training gives the weights of an uninterrupted one.

    Raises:
        InputError: if there are no clips, or labels that are no emotions.
        ShapeError: if a sequence does not fit the window or the space.
        CheckpointError: if the state in the folder is damaged or of another training.
    """
    data = [torch.as_tensor(sequence, dtype=torch.float32).to(device) for sequence in sequences]
    manipulator = Manipulator(settings, space, seed=seed).to(device)
    _check_labels(labels, manipulator.emotions)
    if data:
        manipulator.measure_scale(data)
    windows = Windows(
        [manipulator.standardise(sequence) for sequence in data],
        labels,
        window_frames=settings.window_frames,
        batch_size=settings.batch_size,
        seed=seed,
    )
    trainer = _Trainer(manipulator, settings, expression_loss)
    rows: Rows = []
    done = 0
    state_path = checkpoint_folder / STATE_NAME if checkpoint_folder else None
    if state_path and state_path.exists():
        done, rows = load_state(state_path, manipulator, trainer.optimisers)
    row_steps = max(1, settings.steps // CURVE_ROWS)
    recent: list[dict[str, Tensor]] = []
    saved = time.monotonic()
    for step in progress(range(done, settings.steps)):
        trainer.set_learning_rate(step)
        latent = _latents(settings, seed, step, windows.batch_size).to(device)
        recent.append(
            trainer.step(windows.batch(step, SOURCE), windows.batch(step, REFERENCE), latent)
        )
        if (step + 1) % row_steps and step + 1 < settings.steps:
            continue
        rows.append({"step": float(step + 1)} | _mean_losses(recent))
        recent.clear()
        # States are kept at rows only, so that no partial mean has to be stored.
        if state_path and time.monotonic() - saved > SECONDS_BETWEEN_STATES:
            save_state(state_path, manipulator, trainer.optimisers, step=step + 1, rows=rows)
            saved = time.monotonic()
    return TrainedManipulator(manipulator.eval().requires_grad_(False), rows)


def _check_labels(labels: Sequence[int], emotions: int) -> None:
    unknown = sorted({int(label) for label in labels} - set(range(emotions)))
    if unknown:
        raise ShapeError(f"labels {unknown} are no emotions; use 0 to {emotions - 1}")


def _mean_losses(losses: list[dict[str, Tensor]]) -> dict[str, float]:
    return {
        name: float(torch.stack([values[name] for values in losses]).mean()) for name in losses[0]
    }
