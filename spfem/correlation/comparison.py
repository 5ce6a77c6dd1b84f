"""One level of two images compared at the same sampled places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spfem.correlation.disparity import neighbour_disparities, region_weight
from spfem.correlation.heads import ProjectionHeads
from spfem.correlation.infonce import info_nce
from spfem.correlation.sampling import sample_centres
from spfem.settings import SpatialSettings


@dataclass(frozen=True)
class LevelComparison:
    """Two images compared at the sampled places of one level; S = 8 P rows.

    `query` and `key` are descriptors (B, C, S), `cross_entropy` and `weight` (B, S), `loss` a
    scalar. With the released `scalar_weight` every entry of `weight` is the one global mean.
    """

    query: Tensor
    key: Tensor
    cross_entropy: Tensor
    weight: Tensor
    loss: Tensor


def compare_level(
    heads: ProjectionHeads,
    level: int,
    query_map: Tensor,
    key_map: Tensor,
    centres: Tensor,
    settings: SpatialSettings,
) -> LevelComparison:
    """Compare the disparities of two batches of feature maps.

    Args:
        heads: shared by query and key.
        level: which head.
        query_map: (B, C, H, W); receives the gradient.
        key_map: (B, C, H, W), without gradient.
        centres: (P, 2), (row, column), the same for the whole batch and both images.
        settings: temperature, weights and compat.
    """
    disparities = neighbour_disparities(query_map, centres)
    query = heads.describe(level, disparities)
    with torch.no_grad():
        key = heads.describe(level, neighbour_disparities(key_map, centres))
    cross_entropy = info_nce(query, key, settings.temperature)
    if settings.adaptive:
        weight = region_weight(disparities, with_gradient=settings.released("weight_gradient"))
        if settings.released("scalar_weight"):
            weight = weight.mean().expand_as(cross_entropy)
            loss = cross_entropy.mean() * weight[0, 0]
        else:
            # Weighted mean per image, so that images of a batch do not influence each other.
            loss = ((weight * cross_entropy).sum(dim=1) / weight.sum(dim=1)).mean()
    else:
        weight = torch.ones_like(cross_entropy)
        loss = cross_entropy.mean()
    return LevelComparison(query, key, cross_entropy, weight, loss)


def draw_level_centres(
    maps: Sequence[Tensor], settings: SpatialSettings, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Draw the centres (P, 2) of each level for feature maps (B, C, H, W)."""
    return [
        sample_centres(
            features.shape[2],
            features.shape[3],
            count,
            compat=settings.compat,
            generator=generator,
            device=features.device,
        )
        for features, count in zip(maps, settings.centres, strict=True)
    ]
