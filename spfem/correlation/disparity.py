"""Disparities: differences of a place and its neighbours, and how much each should count."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation.sampling import NEIGHBOUR_OFFSETS
from spfem.uploads import constant

WEIGHT_THRESHOLD = 0.8  # of the sigmoid, reached at |d| = ln 4


def neighbour_disparities(features: Tensor, centres: Tensor) -> Tensor:
    """Features of each centre minus those of its 8 neighbours.

    Args:
        features: (B, C, H, W).
        centres: (P, 2) int64, (row, column). A neighbour outside the map is taken from the
            opposite edge, as in the released code; the default region has none.

    Returns:
        (B, C, 8 P); column 8 p + n holds centre p and neighbour n of `NEIGHBOUR_OFFSETS`.

    Example:
        >>> features = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> neighbour_disparities(features, torch.tensor([[1, 1]])).flatten().tolist()
        [4.0, 3.0, 2.0, 1.0, -1.0, -2.0, -3.0, -4.0]
    """
    height, width = features.shape[2:]
    offsets = constant(NEIGHBOUR_OFFSETS, centres.device)
    neighbours = centres[:, None] + offsets  # (P, 8, 2)
    rows, columns = neighbours[..., 0] % height, neighbours[..., 1] % width
    middle = features[:, :, centres[:, 0], centres[:, 1]]  # (B, C, P)
    return (middle[..., None] - features[:, :, rows, columns]).flatten(2)


def dense_disparities(features: Tensor) -> Tensor:
    """Disparities at every place that has all 8 neighbours.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, 8, H - 2, W - 2), neighbours in the order of `NEIGHBOUR_OFFSETS`.
    """
    height, width = features.shape[2:]
    middle = features[:, :, 1:-1, 1:-1]
    shifted = [
        features[:, :, 1 + row : height - 1 + row, 1 + column : width - 1 + column]
        for row, column in NEIGHBOUR_OFFSETS
    ]
    return torch.stack([middle - other for other in shifted], dim=2)


def adaptive_weight(disparities: Tensor) -> Tensor:
    """Weight of each element of a disparity: 1 up to |d| = ln 4, then 2 sigmoid(|d|)^2.

    Disparities may have any shape. The function jumps from 1 to 1.28 at the threshold and tends
    to 2. Source: ASCCL.

    Example:
        >>> adaptive_weight(torch.tensor([0.0, 1.0, 2.0]))
        tensor([1.0000, 1.0000, 1.5516])
    """
    strength = torch.sigmoid(disparities.abs())
    return torch.where(strength > WEIGHT_THRESHOLD, 2 * strength.square(), 1.0)


def region_weight(disparities: Tensor, *, with_gradient: bool = False) -> Tensor:
    """Weight of each pair of places: mean adaptive weight over channels.

    Departs from the released code, where only the mean over all pairs acts, and with gradient.

    Args:
        disparities: (B, C, S) of the query.
        with_gradient: let the weight pull the disparities below the threshold, as released.

    Returns:
        (B, S) in [1, 2).

    Example:
        >>> region_weight(torch.zeros(1, 8, 3))
        tensor([[1., 1., 1.]])
    """
    weighed = disparities if with_gradient else disparities.detach()
    return adaptive_weight(weighed).mean(dim=1)
