"""How alike descriptors are, apart from the loss: one definition before and after learning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.correlation.comparison import LevelComparison
from spfem.correlation.sampling import NEIGHBOURS


@torch.no_grad()
def level_scores(levels: Sequence[LevelComparison], *, group: int = NEIGHBOURS) -> dict[str, float]:
    """Scores of one batch for a learning curve, means over batch and levels.

    Rows without weight (held frames of a window) do not count; NaN where nothing is left.

    Args:
        levels: the batch, compared.
        group: rows a place, see `mismatched_similarity`.

    Returns:
        `matched`, `mismatched_place`, and as in the released logs `matched_released`,
        `mismatched_released` (by one fixed permutation).
    """
    generator = torch.Generator().manual_seed(0)
    pairs = [
        (level.query[counting], level.key[counting])
        for level in levels
        for counting in [level.weight.sum(dim=1) > 0]
    ]
    released = [
        released_similarity(query, key, torch.randperm(query.shape[2], generator=generator))
        for query, key in pairs
    ]
    columns = {
        "matched": [matched_similarity(query, key).mean() for query, key in pairs],
        "mismatched_place": [
            mismatched_similarity(query, key, group=group).mean() for query, key in pairs
        ],
        "matched_released": [positive for positive, _ in released],
        "mismatched_released": [negative for _, negative in released],
    }
    return {name: float(torch.stack(values).mean()) for name, values in columns.items()}


def matched_similarity(query: Tensor, key: Tensor) -> Tensor:
    """Mean cosine over channels of descriptors at the same place.

    Departs from the released code, which takes the cosine over places (`released_similarity`).

    Args:
        query: (B, C, S), L2-normalised over C.
        key: (B, C, S), likewise.

    Returns:
        (B,) in [-1, 1].
    """
    return (query * key).sum(dim=1).mean(dim=1)


def mismatched_similarity(query: Tensor, key: Tensor, *, group: int = NEIGHBOURS) -> Tensor:
    """Mean cosine of descriptors whose places differ, over all such pairs of one image pair.

    Exact, where the released code draws one permutation (which may hit the same centre).

    Args:
        query: (B, C, S), L2-normalised over C; rows of a place side by side.
        key: (B, C, S), likewise.
        group: rows a place; the 8 neighbours of a centre, 1 where each row is a place.

    Returns:
        (B,) in [-1, 1].
    """
    rows = query.shape[2]
    everywhere = (query.sum(dim=2) * key.sum(dim=2)).sum(dim=1)
    query_centres = query.unflatten(2, (-1, group)).sum(dim=3)
    key_centres = key.unflatten(2, (-1, group)).sum(dim=3)
    same_centre = (query_centres * key_centres).sum(dim=(1, 2))
    return (everywhere - same_centre) / (rows * (rows - group))


def released_similarity(query: Tensor, key: Tensor, permutation: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of the released logs: cosine over places of each channel's profile.

    Args:
        query: (B, C, S).
        key: (B, C, S).
        permutation: (S,) of the key's places for the negative score.

    Returns:
        Positive and negative score, scalars.
    """
    positive = functional.cosine_similarity(query, key, dim=2).mean()
    negative = functional.cosine_similarity(query, key[:, :, permutation], dim=2).mean()
    return positive, negative
