"""The manipulator as one module: four networks and the scale of the expression space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spfem.errors import ShapeError
from spfem.manipulator.networks import (
    Discriminator,
    Generator,
    MappingNetwork,
    StyleEncoder,
    initialise,
)
from spfem.settings import EMOTIONS, ManipulatorSettings


@dataclass(frozen=True)
class ExpressionSpace:
    """What the coefficients of an expression vector are.

    Attributes:
        names: of the E coefficients, the jaw opening first.
        value_range: lowest and highest meaningful value, or None for an unbounded space (FLAME).
    """

    names: tuple[str, ...]
    value_range: tuple[float, float] | None = None

    @property
    def size(self) -> int:
        """E, the number of coefficients."""
        return len(self.names)


class Manipulator(nn.Module):
    """Generator, style encoder, mapping network and discriminator on a standardised space.

    The networks see `(expression - mean) / deviation`, per coefficient, with the mean and
    deviation of the training sequences. Departs from NED, which feeds raw DECA coefficients:
    those have about unit variance, while face units live in [0, 1] with standard deviations from
    0.01 to 0.2, so that unscaled losses and gradients would ignore most of them. With
    `settings.standardise` off, mean 0 and deviation 1 reproduce NED.

    Args:
        settings: sizes of the networks.
        space: the expression space; E is its size.
        emotions: number of labels.
        seed: of the initial weights; the global random state is left alone.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        settings: ManipulatorSettings,
        space: ExpressionSpace,
        *,
        emotions: int = len(EMOTIONS),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings, self.space, self.emotions = settings, space, emotions
        style, encoder = settings.style_size, settings.encoder_width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = Generator(
                space.size, style, settings.width, residual=settings.residual
            )
            self.style_encoder = StyleEncoder(space.size, style, encoder)
            self.mapping_network = MappingNetwork(
                settings.latent_size, style, settings.mapping_width, emotions
            )
            self.discriminator = Discriminator(space.size, emotions, encoder)
            initialise(self)
        if settings.residual:  # start from the copy of the source
            self.generator.get_parameter("seq2.4.weight").data.zero_()
        self.register_buffer("mean", torch.zeros(space.size))
        self.register_buffer("deviation", torch.ones(space.size))

    def measure_scale(self, frames: Tensor) -> None:
        """Set mean and deviation (E,) from training frames (N, E), if the settings standardise.

        Deviations are floored at `settings.deviation_floor`, so that the tracking noise of units
        that hardly move is not blown up to the size of speech.

        Raises:
            ShapeError: if the frames are of another expression space.
        """
        self._check(frames)
        if self.settings.standardise:
            self.mean.copy_(frames.double().mean(dim=0))
            deviation = frames.double().std(dim=0)
            self.deviation.copy_(deviation.clamp_min(self.settings.deviation_floor))

    def _check(self, expression: Tensor) -> None:
        if expression.shape[-1] != self.space.size:
            raise ShapeError(
                f"expression has {expression.shape[-1]} coefficients, this manipulator was made "
                f"for {self.space.size}; track the clip with the same head model"
            )

    def standardise(self, expression: Tensor) -> Tensor:
        """Map expression coefficients (..., E) to the space of the networks."""
        self._check(expression)
        return (expression - self.mean) / self.deviation

    def restore(self, standardised: Tensor) -> Tensor:
        """Map the networks' space (..., E) back to expression coefficients."""
        return standardised * self.deviation + self.mean

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device
