"""Scores of a metric on windows at every place, for the similarity table and its maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spfem.correlation.correlation_matrices import correlation_entries
from spfem.correlation.differences import held_pairs
from spfem.correlation.disparity import dense_disparities
from spfem.correlation.heads import ProjectionHeads
from spfem.correlation.sampling import NEIGHBOUR_OFFSETS, NEIGHBOURS
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.window_comparison import SUBTRACT


@dataclass(frozen=True)
class PlaceScores:
    """Cosines of B comparisons at one level: (B, h, w) by place, `mismatched_place` (B,).

    h = H - 2 and w = W - 2: the places of the feature map that have all 8 neighbours.
    """

    matched: Tensor
    mismatched_speech: Tensor
    mismatched_place: Tensor

    def mean_with(self, other: PlaceScores) -> PlaceScores:
        """Mean of two parts of a joint metric."""
        return PlaceScores(
            (self.matched + other.matched) / 2,
            (self.mismatched_speech + other.mismatched_speech) / 2,
            (self.mismatched_place + other.mismatched_place) / 2,
        )


def temporal_scores(
    model: TemporalCoherence,
    level: int,
    query: Tensor,
    key: Tensor,
    other: Tensor,
    held_matched: Tensor,
    held_speech: Tensor,
) -> PlaceScores:
    """Score the temporal part of windows of feature maps.

    Args:
        model: gives heads and formulation.
        level: which head.
        query: (B, T, C, H, W).
        key: the same moments in another emotion.
        other: other moments of that emotion.
        held_matched: (B, T - 1, 2) steps held in query or key; not all of a window.
        held_speech: likewise of query or other.
    """
    height, width = query.shape[3] - 2, query.shape[4] - 2
    windows = [maps[..., 1:-1, 1:-1].flatten(3) for maps in (query, key, other)]
    if model.settings.formulation == "vd":
        subtract = SUBTRACT[model.settings.compared_frames]
        rows = [_described(model.mlp, level, subtract(features)) for features in windows]
        keeps = [
            ~held_pairs(h, model.settings.compared_frames) for h in (held_matched, held_speech)
        ]
        pairs = [(rows[0], rows[1], keeps[0]), (rows[0], rows[2], keeps[1])]
    else:
        members = [_described(model.mlp, level, features) for features in windows]
        pairs = []
        for which, held in ((1, held_matched), (2, held_speech)):
            keep = ~held_pairs(held, "all")
            one, two = (correlation_entries(members[n], keep)[:, None] for n in (0, which))
            pairs.append((one, two, keep.any(dim=1)[:, None]))
    return PlaceScores(
        matched=same_place(*pairs[0]).unflatten(1, (height, width)),
        mismatched_speech=same_place(*pairs[1]).unflatten(1, (height, width)),
        mismatched_place=other_places(*pairs[0]),
    )


def spatial_scores(
    model: TemporalCoherence, level: int, query: Tensor, key: Tensor, other: Tensor
) -> PlaceScores:
    """Score the spatial part of the joint metric on feature maps (B, C, H, W) of single frames.

    For `vd` as in the spatial metric: `mismatched_place` is over all pairs of neighbours.
    """
    height, width = query.shape[2] - 2, query.shape[3] - 2
    vd = model.settings.formulation == "vd"
    describe = _disparities if vd else _matrices
    rows = [describe(model.mlp, level, maps) for maps in (query, key, other)]
    keep = torch.ones(rows[0].shape[:2], dtype=torch.bool, device=query.device)
    if vd:
        here, there = (values.sum(dim=1, keepdim=True) for values in rows[:2])
        elsewhere = other_places(here, there, keep[:, :1]) / NEIGHBOURS**2
    else:
        elsewhere = other_places(rows[0], rows[1], keep)
    return PlaceScores(
        matched=same_place(rows[0], rows[1], keep).unflatten(1, (height, width)),
        mismatched_speech=same_place(rows[0], rows[2], keep).unflatten(1, (height, width)),
        mismatched_place=elsewhere,
    )


def same_place(query: Tensor, key: Tensor, keep: Tensor) -> Tensor:
    """(B, S): cosine at the same place of (B, R, C, S), mean over the rows `keep` (B, R)."""
    cosines = (query * key).sum(dim=2)
    return (cosines * keep[..., None]).sum(dim=1) / keep.sum(dim=1)[:, None]


def other_places(query: Tensor, key: Tensor, keep: Tensor) -> Tensor:
    """(B,): mean cosine over all pairs of different places (exact), mean over rows `keep`."""
    query, key = query.double(), key.double()
    everywhere = (query.sum(dim=3) * key.sum(dim=3)).sum(dim=2)
    places = query.shape[3]
    rows = (everywhere - (query * key).sum(dim=(2, 3))) / (places * (places - 1))
    return (rows * keep).sum(dim=1) / keep.sum(dim=1)


def _described(heads: ProjectionHeads, level: int, features: Tensor) -> Tensor:
    """Map (B, R, C, S) to unit descriptors (B, R, C / 4, S)."""
    return heads.describe(level, features.flatten(0, 1)).unflatten(0, features.shape[:2])


def _disparities(heads: ProjectionHeads, level: int, maps: Tensor) -> Tensor:
    """(B, 8, C / 4, S) descriptors of the disparities to each neighbour."""
    disparities = dense_disparities(maps).flatten(3).transpose(1, 2)
    return _described(heads, level, disparities)


def _matrices(heads: ProjectionHeads, level: int, maps: Tensor) -> Tensor:
    """(B, 1, 36, S) descriptors of the correlations of each place and its neighbours."""
    height, width = maps.shape[2:]
    described = heads.describe(level, maps.flatten(2)).unflatten(2, (height, width))
    members = [
        described[:, :, 1 + row : height - 1 + row, 1 + column : width - 1 + column].flatten(2)
        for row, column in ((0, 0), *NEIGHBOUR_OFFSETS)
    ]
    return correlation_entries(torch.stack(members, dim=1))[:, None]
