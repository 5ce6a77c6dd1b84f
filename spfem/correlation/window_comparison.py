"""One level of two windows compared at the same places: over time (VD) or by matrices (CM)."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation.comparison import LevelComparison
from spfem.correlation.correlation_matrices import correlation_entries, local_sets
from spfem.correlation.differences import adjacent_differences, held_pairs, pair_differences
from spfem.correlation.disparity import region_weight
from spfem.correlation.heads import ProjectionHeads
from spfem.correlation.infonce import info_nce
from spfem.settings import TemporalSettings

SUBTRACT = {"adjacent": adjacent_differences, "all": pair_differences}
"""Operator of each kind of frame pairs."""


def compare_differences(
    heads: ProjectionHeads,
    level: int,
    query: Tensor,
    key: Tensor,
    held: Tensor | None,
    settings: TemporalSettings,
) -> LevelComparison:
    """VD: differences over time at a place should be found again at that place.

    Source: STCCL. Departs from the released code: adjacent frames instead of all pairs, rows of
    held frames left out; `compat="upstream"` restores both.

    Args:
        heads: shared by query and key.
        level: which head.
        query: features (B, T, C, S); receives the gradient.
        key: (B, T, C, S), without gradient.
        held: see `held_pairs`; None holds nothing.
        settings: frame pairs, temperature, weights and compat.

    Returns:
        Rows (B R, C, S), window by window; `weight` is 0 in held rows.
    """
    subtract = SUBTRACT[settings.compared_frames]
    differences = subtract(query).flatten(0, 1)
    described = heads.describe(level, differences)
    with torch.no_grad():
        others = heads.describe(level, subtract(key).flatten(0, 1))
    cross_entropy = info_nce(described, others, settings.spatial.temperature)
    weight = region_weight(differences) if settings.adaptive else torch.ones_like(cross_entropy)
    if held is not None and not settings.released("held_frames"):
        weight = weight * ~held_pairs(held, settings.compared_frames).flatten()[:, None]
    return _weighed(described, others, cross_entropy, weight, windows=len(query))


def compare_temporal_matrices(
    heads: ProjectionHeads,
    level: int,
    query: Tensor,
    key: Tensor,
    held: Tensor | None,
    settings: TemporalSettings,
) -> LevelComparison:
    """CM over time: the T x T correlations of a place should be found again at that place.

    Our reconstruction, see `correlation_matrices`. The head describes each frame before the
    matrix is made, so that what is learned can differ from the backbone's own features, as in
    the other formulations. Entries of held frames are zero in both branches.

    Arguments as in `compare_differences`; rows (B, E, S), E the number of frame pairs.
    """
    keep = None if held is None else ~held_pairs(held, "all")
    described = correlation_entries(_describe(heads, level, query), keep)
    with torch.no_grad():
        others = correlation_entries(_describe(heads, level, key), keep)
    cross_entropy = info_nce(described, others, settings.spatial.temperature)
    weight = torch.ones_like(cross_entropy)
    if keep is not None:  # of a single entry nothing is left without its mean
        weight = weight * (keep.sum(dim=1) > 1)[:, None]
    return _weighed(described, others, cross_entropy, weight, windows=len(query))


def compare_spatial_matrices(
    heads: ProjectionHeads,
    level: int,
    query_map: Tensor,
    key_map: Tensor,
    places: Tensor,
    temperature: float,
) -> LevelComparison:
    """CM over space: the 9 x 9 correlations of a place and its neighbours, frame by frame.

    Our reconstruction, see `correlation_matrices`; the head describes each place first.

    Args:
        heads: shared by query and key.
        level: which head.
        query_map: (B, C, H, W); receives the gradient.
        key_map: (B, C, H, W), without gradient.
        places: (P, 2), none on the border.
        temperature: of InfoNCE over the P places.
    """
    described = spatial_matrices(heads, level, query_map, places)
    with torch.no_grad():
        others = spatial_matrices(heads, level, key_map, places)
    cross_entropy = info_nce(described, others, temperature)
    weight = torch.ones_like(cross_entropy)
    return _weighed(described, others, cross_entropy, weight, windows=len(query_map))


def spatial_matrices(
    heads: ProjectionHeads, level: int, features: Tensor, places: Tensor
) -> Tensor:
    """Descriptors (B, 36, P) of the local sets of feature maps (B, C, H, W)."""
    sets = local_sets(features, places)
    members = heads.describe(level, sets.flatten(2)).unflatten(2, sets.shape[2:])
    return correlation_entries(members.permute(0, 3, 1, 2))


def _describe(heads: ProjectionHeads, level: int, features: Tensor) -> Tensor:
    """Map (B, T, C, S) to unit descriptors (B, T, C / 4, S)."""
    return heads.describe(level, features.flatten(0, 1)).unflatten(0, features.shape[:2])


def _weighed(
    query: Tensor, key: Tensor, cross_entropy: Tensor, weight: Tensor, *, windows: int
) -> LevelComparison:
    """Weighted mean of each window, so that windows do not influence each other.

    A window without any weight adds 0.
    """
    sums = [rows.reshape(windows, -1).sum(dim=1) for rows in (weight * cross_entropy, weight)]
    # Weights are 0 or at least 1, so the bound acts on windows without weight only.
    loss = (sums[0] / sums[1].clamp(min=1)).mean()
    return LevelComparison(query, key, cross_entropy, weight, loss)
