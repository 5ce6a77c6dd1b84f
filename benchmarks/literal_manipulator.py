"""An iteration of the manipulator's training as released: every network call on its own."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.manipulator.losses import jaw_correlation
from spfem.manipulator.networks import Manipulator


class LiteralTrainer:
    """Discriminator by label and by reference, then the others by label and by reference.

    Source: NED. Windows and styles are not joined into larger batches.

    Args:
        manipulator: networks, changed in place.
        rate: of Adam.
    """

    def __init__(self, manipulator: Manipulator, rate: float) -> None:
        self.networks = manipulator
        parts = ("generator", "style_encoder", "mapping_network", "discriminator")
        self.optimisers = {
            name: torch.optim.Adam(getattr(manipulator, name).parameters(), rate, (0.0, 0.99))
            for name in parts
        }

    def step(
        self, source: Tensor, source_label: Tensor, reference: Tensor, label: Tensor
    ) -> dict[str, float]:
        """One iteration on windows (B, W, E) and emotions (B,); its losses, read as they come."""
        networks = self.networks
        latent = torch.randn(len(label), networks.settings.latent_size).to(label.device)
        losses = {}
        for name in ("label", "reference"):
            with torch.no_grad():
                style = self._style(name, latent, reference, label)
                fake = networks.generator(source, style)
            real = networks.discriminator(source, source_label)
            made = networks.discriminator(fake, label)
            loss = (real - 1).square().mean() + made.square().mean()
            losses[f"discriminator by {name}"] = self._update(loss, "discriminator")
        for name, learning in (
            ("label", ("generator", "mapping_network", "style_encoder")),
            ("reference", ("generator",)),
        ):
            style = self._style(name, latent, reference, label)
            fake = networks.generator(source, style)
            judged = networks.discriminator(fake, label)
            adversarial = (judged - 1).square().mean()
            style_loss = (networks.style_encoder(fake) - style).abs().mean()
            own = networks.style_encoder(source)
            recovered = networks.generator(fake, own)
            cycle = (recovered - source).abs().mean()
            mouth = jaw_correlation(source, fake) + jaw_correlation(fake, recovered)
            losses[name] = self._update(adversarial + style_loss + cycle - mouth, *learning)
        return losses

    def _style(self, name: str, latent: Tensor, reference: Tensor, label: Tensor) -> Tensor:
        if name == "label":
            return self.networks.mapping_network(latent, label)
        return self.networks.style_encoder(reference)

    def _update(self, loss: Tensor, *names: str) -> float:
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        loss.backward()
        for name in names:
            self.optimisers[name].step()
        return loss.item()
