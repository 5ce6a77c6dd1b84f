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

SECOND_BETA = 0.99  # of Adam
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
        self.random = torch.Generator()
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

    def begin(self, step: int, seed: int) -> None:
        """Set the learning rates and the random numbers of `step`."""
        settings = self.settings
        self.random.manual_seed((seed << 32) + step)
        decaying = max(1, round(settings.decay_share * settings.steps))
        rate = settings.learning_rate * min(1.0, (settings.steps - step) / decaying)
        for name, optimiser in self.optimisers.items():
            share = settings.discriminator_rate if name == "discriminator" else 1.0
            for group in optimiser.param_groups:
                group["lr"] = rate * share

    def draw(self, *shape: int) -> Tensor:
        """Normal random numbers, drawn on the CPU so that devices agree."""
        return torch.randn(*shape, generator=self.random).to(self.manipulator.device)

    def blur(self, windows: Tensor) -> Tensor:
        """Add noise to what the discriminator sees."""
        noise = self.settings.discriminator_noise
        return windows + noise * self.draw(*windows.shape) if noise else windows

    def discriminate(self, source: WindowBatch, style: Tensor, label: Tensor) -> Tensor:
        networks = self.manipulator
        with torch.no_grad():
            fake = networks.generator(source.expression, style)
        real_loss, fake_loss = discriminator_loss(
            networks.discriminator,
            self.blur(source.expression),
            source.label,
            self.blur(fake),
            label,
        )
        self._update(real_loss + fake_loss, "discriminator")
        return (real_loss + fake_loss).detach()

    def generate(
        self,
        source: WindowBatch,
        style: Tensor,
        label: Tensor,
        names: Sequence[str],
        *,
        metric: bool = False,
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
            fixed_style_target=settings.fixed_style_target,
            blur=self.blur,
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

    def step(self, source: WindowBatch, reference: WindowBatch) -> dict[str, Tensor]:
        """Make one iteration; return its losses (those of the two generator steps averaged)."""
        networks, label = self.manipulator, reference.label
        latent = self.draw(len(label), self.settings.latent_size)
        with torch.no_grad():
            latent_style = networks.mapping_network(latent, label)
            reference_style = networks.style_encoder(reference.expression)
        by_latent = self.discriminate(source, latent_style, label)
        by_reference = self.discriminate(source, reference_style, label)
        latent_style = networks.mapping_network(latent, label)
        first = self.generate(
            source, latent_style, label, ("generator", "mapping_network", "style_encoder")
        )
        updated = ("generator", "style_encoder")[: 1 + self.settings.encode_reference]
        with torch.set_grad_enabled(self.settings.encode_reference):
            reference_style = networks.style_encoder(reference.expression)
        second = self.generate(source, reference_style, label, updated, metric=True)
        values = {name: (first.get(name, second[name]) + second[name]) / 2 for name in second}
        return {"discriminator": (by_latent + by_reference) / 2, **values}


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
    manipulator = Manipulator(settings, space, seed=seed).to(device)
    _check_labels(labels, manipulator.emotions)
    windows = Windows(
        [torch.as_tensor(sequence, dtype=torch.float32).to(device) for sequence in sequences],
        labels,
        window_frames=settings.window_frames,
        batch_size=settings.batch_size,
        seed=seed,
    )
    manipulator.measure_scale(windows.frames)
    windows.frames = manipulator.standardise(windows.frames)
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
        trainer.begin(step, seed)
        recent.append(trainer.step(windows.batch(step, SOURCE), windows.batch(step, REFERENCE)))
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
