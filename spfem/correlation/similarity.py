"""Whether descriptors of the same place are alike and those of other places are not.

A score is the mean cosine, over channels, of unit descriptors: the metric's own, differences
through the heads. Learning curves show it, of the sampled places of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.correlation.asccl import NEIGHBOURS, LevelComparison


@torch.no_grad()
def level_scores(levels: Sequence[LevelComparison], *, group: int = NEIGHBOURS) -> dict[str, float]:
    """Scores of one batch for a learning curve, means over batch and levels.

    Rows without weight (held frames of a window) do not count; NaN where nothing is left. `group`
    is that of `mismatched_similarity`. Besides `matched` and `mismatched_place`, as in the released
    logs `matched_released` and `mismatched_released` (by one fixed permutation).
    """
    generator = torch.Generator().manual_seed(0)
    columns: dict[str, list[Tensor]] = {
        name: []
        for name in ("matched", "mismatched_place", "matched_released", "mismatched_released")
    }
    for level in levels:
        counting = level.weight.sum(dim=1) > 0
        query, key = level.query[counting], level.key[counting]
        order = torch.randperm(query.shape[2], generator=generator)
        values = (
            matched_similarity(query, key).mean(),
            mismatched_similarity(query, key, group=group).mean(),
            *released_similarity(query, key, order),
        )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return {name: float(torch.stack(values).mean()) for name, values in columns.items()}


def matched_similarity(query: Tensor, key: Tensor) -> Tensor:
    """Mean cosine (B,) over channels of descriptors (B, C, S), unit over C, at the same place."""
    return (query * key).sum(dim=1).mean(dim=1)


def mismatched_similarity(query: Tensor, key: Tensor, *, group: int = NEIGHBOURS) -> Tensor:
    """Mean cosine (B,) of descriptors (B, C, S) whose places differ, over all such pairs of places.

    Exact, where the released code draws one permutation (which may hit the same centre). Rows of a
    place lie side by side, `group` of them: the 8 neighbours of a centre, or 1.
    """
    rows = query.shape[2]
    everywhere = (query.sum(dim=2) * key.sum(dim=2)).sum(dim=1)
    query_centres = query.unflatten(2, (-1, group)).sum(dim=3)
    key_centres = key.unflatten(2, (-1, group)).sum(dim=3)
    same_centre = (query_centres * key_centres).sum(dim=(1, 2))
    return (everywhere - same_centre) / (rows * (rows - group))


def released_similarity(query: Tensor, key: Tensor, permutation: Tensor) -> tuple[Tensor, Tensor]:
    """The two scores of the released logs: cosine over places of each channel's profile (B, C, S).

    The negative one has the places of the key in the order of `permutation` (S,).
    """
    positive = functional.cosine_similarity(query, key, dim=2).mean()
    negative = functional.cosine_similarity(query, key[:, :, permutation], dim=2).mean()
    return positive, negative
