"""One step of the training: discriminator and generator, by label and by reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from spfem.manipulator.data import WindowBatch, Windows
from spfem.manipulator.losses import PairedWindows, discriminator_loss, generator_terms
from spfem.manipulator.model import Manipulator
from spfem.manipulator.supervision import Edit, Guide, Retrieved
from spfem.settings import ManipulatorSettings
from spfem.training import step_generator
from spfem.uploads import upload

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
