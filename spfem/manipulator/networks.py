"""The four networks of the expression manipulator (NED), for any expression space and width.

Module names are those of the released state dicts (`seq1`, `LSTM`, `seq2`, `shared`, `unshared`),
so released weights load directly into the paper-size networks.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def _perceptron(sizes: tuple[int, ...], *, activate_last: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*(layers if activate_last else layers[:-1]))


def initialise(module: nn.Module) -> None:
    """Draw the linear layers from a Kaiming normal (fan in), zero biases; LSTM weights stay.

    Source: NED.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            nn.init.zeros_(layer.bias)


class Generator(nn.Module):
    """Expression window and style to the expression window in that style (NED's G).

    The output is direct, as published: no residual connection, no output activation.

    Args:
        expression_size: E, coefficients of a frame (Anny 52, FLAME/DECA 51).
        style_size: S, length of a style vector.
        width: of the LSTM; 512 in the paper.
        residual: predict the change of the expression instead of the new one (departs from NED;
            the weights have the same names and shapes).
    """

    def __init__(
        self,
        expression_size: int,
        style_size: int = 16,
        width: int = 512,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.seq1 = _perceptron((expression_size + style_size, width, width), activate_last=True)
        self.LSTM = nn.LSTM(width, width, num_layers=2, batch_first=True, bidirectional=True)
        self.seq2 = _perceptron(
            (2 * width, 2 * width, 2 * width, expression_size), activate_last=False
        )

    def forward(self, expression: Tensor, style: Tensor) -> Tensor:
        """Return (B, T, E) from `expression` (B, T, E) and `style` (B, S)."""
        repeated = style[:, None].expand(-1, expression.shape[1], -1)
        hidden = self.seq1(torch.cat((expression, repeated), dim=2))
        output = self.seq2(self.LSTM(hidden)[0])
        return expression + output if self.residual else output


class _WindowCritic(nn.Module):
    """A vector per expression window: frame-wise layers around a BiLSTM, then the time mean."""

    def __init__(self, expression_size: int, output_size: int, width: int) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        narrow = max(width // 8, 2 * output_size)  # a narrower bottleneck loses the style
        self.seq1 = _perceptron((expression_size, width, half), activate_last=True)
        self.LSTM = nn.LSTM(half, quarter, num_layers=2, batch_first=True, bidirectional=True)
        self.seq2 = _perceptron((half, quarter, narrow, output_size), activate_last=False)

    def summarise(self, expression: Tensor) -> Tensor:
        return self.seq2(self.LSTM(self.seq1(expression))[0]).mean(dim=1)


class StyleEncoder(_WindowCritic):
    """Expression window to its style vector, without a label (NED's E)."""

    def __init__(self, expression_size: int, style_size: int = 16, width: int = 512) -> None:
        super().__init__(expression_size, style_size, width)

    def forward(self, expression: Tensor) -> Tensor:
        """Return styles (B, S) of `expression` (B, T, E)."""
        return self.summarise(expression)


class Discriminator(_WindowCritic):
    """Score of an expression window as a real window of one emotion, no sigmoid (NED's D)."""

    def __init__(self, expression_size: int, emotions: int = 7, width: int = 512) -> None:
        super().__init__(expression_size, emotions, width)

    def forward(self, expression: Tensor, label: Tensor) -> Tensor:
        """Return scores (B,) of `expression` (B, T, E) under the emotions `label` (B,) int64."""
        return self.summarise(expression).gather(1, label[:, None])[:, 0]


class MappingNetwork(nn.Module):
    """Random latent and emotion label to a style vector (NED's F)."""

    def __init__(
        self, latent_size: int = 4, style_size: int = 16, width: int = 64, emotions: int = 7
    ) -> None:
        super().__init__()
        self.shared = _perceptron((latent_size, width, width, width), activate_last=True)
        self.unshared = nn.ModuleList(
            _perceptron((width, width, style_size), activate_last=False) for _ in range(emotions)
        )

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """Return styles (B, S) of `latent` (B, Z) and the emotions `label` (B,) int64."""
        hidden = self.shared(latent)
        styles = torch.stack([head(hidden) for head in self.unshared], dim=1)
        return styles[torch.arange(len(label), device=label.device), label]
