"""Projection heads: one small perceptron a level, from differences to descriptors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

REDUCTION = 4  # a head maps C channels to C / 4


class ProjectionHeads(nn.ModuleList):
    """Linear(C to C), ReLU, Linear(C to C / 4) for each level, applied to every location alone.

    A flat list, so that state-dict names are those of the released checkpoints.
    Source: ASCCL. Departs from the released code: each instance owns its heads (there, one
    global list is shared by all instances of a process).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        for channels in widths:
            self.append(nn.Linear(channels, channels))
            self.append(nn.ReLU())
            self.append(nn.Linear(channels, channels // REDUCTION))

    def project(self, level: int, rows: Tensor) -> Tensor:
        """Map rows (..., C) of one level to (..., C / 4)."""
        first, activation, second = (self[3 * level + layer] for layer in range(3))
        return second(activation(first(rows)))

    def describe(self, level: int, disparities: Tensor) -> Tensor:
        """Map differences (B, C, S) of one level to unit descriptors (B, C / 4, S)."""
        rows = self.project(level, disparities.transpose(1, 2))
        return normalise_channels(rows.transpose(1, 2))


def normalise_channels(descriptors: Tensor) -> Tensor:
    """Divide by the Euclidean norm over channels (dimension 1) plus 1e-7.

    Equal to the released arithmetic, but the gradient of an exactly zero descriptor is finite
    (there, it is NaN).
    """
    norm = torch.linalg.vector_norm(descriptors, dim=1, keepdim=True)
    return descriptors / (norm + 1e-7)
