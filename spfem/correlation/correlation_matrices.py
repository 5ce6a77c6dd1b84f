"""CM: the matrix of correlations inside a local set of features, as one descriptor a place.

A reconstruction from the figure of STCCL, our own design: the release holds no code, and the
figure gives neither normalisation nor loss. A set of n features (a place and its neighbours, or
one place over the frames of a window) gives the n x n cosines of its members; the entries i < j
(the matrix is symmetric, its diagonal 1) less their mean, normalised, describe the place. The
mean is subtracted because features share a large common part: without it, all matrices of an
untrained network are alike to 0.99.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation.heads import normalise_channels
from spfem.correlation.sampling import NEIGHBOUR_OFFSETS
from spfem.uploads import constant


def correlation_entries(members: Tensor, keep: Tensor | None = None) -> Tensor:
    """Off-diagonal correlations of each set, centred and normalised.

    Args:
        members: (B, n, C, S), the n members of the set of each of S places, of unit length
            over C.
        keep: (B, E) bool, entries that count, in the order (0, 1), (0, 2), ..., (1, 2), ...;
            default all. With fewer than two (or n = 2) the descriptor is zero.

    Returns:
        (B, E, S) of unit length over the E = n (n - 1) / 2 entries.
    """
    count = members.shape[1]
    first, second = torch.triu_indices(count, count, offset=1, device=members.device)
    # Products of many tiny matrices are far slower than this.
    entries = (members[:, first] * members[:, second]).sum(dim=2)
    if keep is None:
        return normalise_channels(entries - entries.mean(dim=1, keepdim=True))
    counting = keep[..., None].to(entries.dtype)
    mean = (entries * counting).sum(dim=1, keepdim=True) / counting.sum(dim=1, keepdim=True).clamp(
        min=1
    )
    return normalise_channels((entries - mean) * counting)


def local_sets(features: Tensor, places: Tensor) -> Tensor:
    """Features of each place and of its 8 neighbours.

    Args:
        features: (B, C, H, W).
        places: (P, 2), (row, column), none on the border.

    Returns:
        (B, C, P, 9), the place itself first.
    """
    offsets = constant(((0, 0), *NEIGHBOUR_OFFSETS), places.device)
    around = places[:, None] + offsets  # (P, 9, 2)
    return features[:, :, around[..., 0], around[..., 1]]
