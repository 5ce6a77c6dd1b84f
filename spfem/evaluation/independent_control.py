"""Does a temporal operator find agreement where there is none? The control of independent inputs.

Query and key features are drawn independently, so an honest operator leaves the cross-entropy of
finding the right place at chance, ln S. The transformer of the released STCCL code does not: its
random weights give each place a signature of its own, which both sides share. It is rebuilt here,
small, only to show that; no metric of the package uses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pandas as pd
import torch
from torch import Tensor, nn

from spfem.correlation.correlation_matrices import correlation_entries
from spfem.correlation.differences import adjacent_differences, pair_differences
from spfem.correlation.heads import normalise_channels
from spfem.correlation.infonce import info_nce

Operator = Callable[[Tensor], Tensor]
"""From features over time (B, T, C, S) to descriptors (B R, C, S)."""

TEMPERATURE = 0.07


class PlaceTransformer(nn.Module):
    """A random transformer over time whose tokens are all places of a frame at once.

    Source: STCCL, the released joint model (there: C S = 16384, width 512, feed-forward 512,
    4 layers of 8 heads, dropout 0.1, post-norm, sinusoidal positions; never trained, never saved,
    never in evaluation mode). Departs from it in size only and in keeping batch and time apart;
    the released code also mixes those, so that samples of a batch influence each other.

    Args:
        channels: C.
        places: S.
        width: of a token inside.
        layers: of the encoder.
        heads: of each layer.
    """

    def __init__(
        self, channels: int, places: int, *, width: int = 128, layers: int = 4, heads: int = 8
    ) -> None:
        super().__init__()
        self.width = width
        self.inward = nn.Linear(channels * places, width)
        layer = nn.TransformerEncoderLayer(width, heads, width, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.outward = nn.Linear(width, channels * places)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, T, C, S) to (B T, C, S)."""
        tokens = self.inward(features.flatten(2))
        tokens = self.encoder(tokens + _positions(features.shape[1], self.width))
        return self.outward(tokens).reshape(-1, *features.shape[2:])


def _positions(frames: int, width: int) -> Tensor:
    angle = torch.arange(frames)[:, None] * torch.exp(
        torch.arange(0, width, 2) * (-math.log(10000.0) / width)
    )
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


def shown_operators(*, channels: int, places: int) -> dict[str, Operator]:
    """The released transformer with random weights, and the operators that the metrics use."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = PlaceTransformer(channels, places)
    return {
        "released transformer": transformer,
        "adjacent differences (VD)": lambda x: adjacent_differences(x).flatten(0, 1),
        "all differences": lambda x: pair_differences(x).flatten(0, 1),
        "correlation matrices (CM)": lambda x: correlation_entries(
            normalise_channels(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        ),
    }


@torch.no_grad()
def control_operators(
    operators: Mapping[str, Operator],
    *,
    channels: int,
    places: int,
    samples: int = 4,
    frames: int = 5,
    draws: int = 8,
    seed: int = 0,
) -> pd.DataFrame:
    """Cross-entropy of each operator on independent standard normal query and key features.

    Args:
        operators: by name.
        channels: C of the features.
        places: S of the features.
        samples: B of a draw.
        frames: T of a draw.
        draws: independent repetitions.
        seed: of the draws.

    Returns:
        Rows with `operator, cross_entropy, chance, share` (mean over draws; share of chance).
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, frames, channels, places)
    pairs = [[torch.randn(shape, generator=generator) for _ in range(2)] for _ in range(draws)]
    rows = []
    for name, operator in operators.items():
        losses = []
        for query, key in pairs:
            described = [normalise_channels(operator(side)) for side in (query, key)]
            losses.append(float(info_nce(described[0], described[1], TEMPERATURE).mean()))
        value, chance = sum(losses) / draws, math.log(places)
        rows.append(
            {"operator": name, "cross_entropy": value, "chance": chance, "share": value / chance}
        )
    return pd.DataFrame(rows)
