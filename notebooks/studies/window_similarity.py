"""What a metric on windows sees, places or speech: as `moment_similarity`, of windows.

The three scores are those of single frames carried over: a comparison is a window of two
emotions at the same steps of their path, and a window of the second emotion around another
moment, at which something else is said. Rows of held frames do not count. Of the joint metrics
a score is the mean of the temporal part and of the spatial part at the windows' middle frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.asccl import (
    NEIGHBOUR_OFFSETS,
    NEIGHBOURS,
    ProjectionHeads,
    dense_disparities,
)
from spfem.correlation.frames import MOMENT_GAP_FRAMES, FrameWindows, held_steps
from spfem.correlation.images import images_from_frames, prepare_images
from spfem.correlation.stccl import (
    SUBTRACT,
    SpatialTemporalCoherence,
    TemporalCoherence,
    correlation_entries,
    describe_rows,
    held_pairs,
)
from spfem.errors import CorpusError
from studies.moment_similarity import SimilarityScores, clip_visemes, similarity_scores

PlaceScores = tuple[Tensor, Tensor, Tensor]
"""Cosines of B comparisons at one level: matched and mismatched speech (B, h, w) by place,
mismatched place (B,). h = H - 2 and w = W - 2: the places that have all 8 neighbours."""


def temporal_scores(
    model: TemporalCoherence,
    level: int,
    query: Tensor,
    key: Tensor,
    other: Tensor,
    held_matched: Tensor,
    held_speech: Tensor,
) -> PlaceScores:
    """Score the temporal part of windows (B, T, C, H, W) of feature maps of a level.

    `key` shows the same moments as `query` in another emotion, `other` other moments of that
    emotion; steps (B, T - 1, 2) are held in query or key, or in query or other, not all of a
    window.
    """
    vd, kind = model.settings.formulation == "vd", model.settings.compared_frames
    rows = []
    for maps in (query, key, other):
        features = maps[..., 1:-1, 1:-1].flatten(3)
        rows.append(describe_rows(model.mlp, level, SUBTRACT[kind](features) if vd else features))
    pairs = []
    for which, held in ((1, held_matched), (2, held_speech)):
        if vd:
            pairs.append((rows[0], rows[which], ~held_pairs(held, kind)))
        else:
            keep = ~held_pairs(held, "all")
            one, two = (correlation_entries(rows[n], keep)[:, None] for n in (0, which))
            pairs.append((one, two, keep.any(dim=1)[:, None]))
    size = (query.shape[3] - 2, query.shape[4] - 2)
    matched, speech = (same_place(*pair).unflatten(1, size) for pair in pairs)
    return matched, speech, other_places(*pairs[0])


def spatial_scores(
    model: TemporalCoherence, level: int, query: Tensor, key: Tensor, other: Tensor
) -> PlaceScores:
    """Score the spatial part of the joint metric on feature maps (B, C, H, W) of single frames.

    For `vd` as in the spatial metric: mismatched places are over all pairs of neighbours.
    """
    vd = model.settings.formulation == "vd"
    describe = _disparities if vd else _matrices
    rows = [describe(model.mlp, level, maps) for maps in (query, key, other)]
    keep = torch.ones(rows[0].shape[:2], dtype=torch.bool, device=query.device)
    if vd:
        here, there = (values.sum(dim=1, keepdim=True) for values in rows[:2])
        elsewhere = other_places(here, there, keep[:, :1]) / NEIGHBOURS**2
    else:
        elsewhere = other_places(rows[0], rows[1], keep)
    size = (query.shape[2] - 2, query.shape[3] - 2)
    matched, speech = (same_place(rows[0], n, keep).unflatten(1, size) for n in rows[1:])
    return matched, speech, elsewhere


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


def _disparities(heads: ProjectionHeads, level: int, maps: Tensor) -> Tensor:
    """(B, 8, C / 4, S) descriptors of the disparities to each neighbour."""
    disparities = dense_disparities(maps).flatten(3).transpose(1, 2)
    return describe_rows(heads, level, disparities)


def _matrices(heads: ProjectionHeads, level: int, maps: Tensor) -> Tensor:
    """(B, 1, 36, S) descriptors of the correlations of each place and its neighbours."""
    height, width = maps.shape[2:]
    described = heads.describe(level, maps.flatten(2)).unflatten(2, (height, width))
    members = [
        described[:, :, 1 + row : height - 1 + row, 1 + column : width - 1 + column].flatten(2)
        for row, column in ((0, 0), *NEIGHBOUR_OFFSETS)
    ]
    return correlation_entries(torch.stack(members, dim=1))[:, None]


@dataclass(frozen=True)
class WindowChoice:
    """One row of the evaluation list: path entries at which two windows of a clip pair start."""

    pair: int
    start: int
    other_start: int


def list_window_comparisons(
    windows: FrameWindows, visemes: Mapping[str, np.ndarray], count: int, *, seed: int
) -> list[WindowChoice]:
    """Draw a fixed evaluation list, the same number of entries from each clip pair.

    As `list_comparisons`, of the middle frames of windows. Windows in which every step is held in
    either branch are left out.

    Raises:
        CorpusError: if a clip lacks visemes, or no clip has a second viseme.
    """
    random = np.random.default_rng(seed)
    each = -(-count // len(windows.frames.pairs))
    chosen = []
    for number, (pair, starts) in enumerate(zip(windows.frames.pairs, windows.starts, strict=True)):
        said, heard = clip_visemes(visemes, pair)
        entries = _entries(pair.path, starts, windows.window_frames)  # (N, T, 2)
        held = [held_steps(entry) for entry in entries]
        middle = entries[:, windows.window_frames // 2]
        said, heard = said[middle[:, 0]], heard[middle[:, 1]]
        taken = 0
        for row in random.permutation(len(starts)):
            away = np.abs(middle[:, 1] - middle[row, 1]) >= MOMENT_GAP_FRAMES
            others = [
                other
                for other in np.flatnonzero(away & (heard != heard[row]) & (heard != said[row]))
                if not (held[row][:, 0] | held[other][:, 1]).all()
            ]
            if others and not held[row].any(axis=1).all():
                other = int(random.choice(others))
                chosen.append(WindowChoice(number, int(starts[row]), int(starts[other])))
                taken += 1
            if taken == each:
                break
    if not chosen:
        raise CorpusError("no clip pair has two moments with different visemes to compare")
    return chosen


@torch.no_grad()
def score_window_similarity(
    model: TemporalCoherence, windows: FrameWindows, comparisons: Sequence[WindowChoice]
) -> SimilarityScores:
    """Score every comparison at every place that has 8 neighbours.

    The model is in evaluation mode, comparisons of a clip pair lie side by side; each distinct
    frame of a clip pair passes the backbone once.
    """
    scored = [
        _score_pair(model, windows, number, list(group))
        for number, group in groupby(comparisons, key=lambda row: row.pair)
    ]
    levels = [
        [torch.cat(parts).cpu().numpy() for parts in zip(*level, strict=True)]
        for level in zip(*scored, strict=True)  # of each clip pair
    ]
    return similarity_scores(levels, [windows.frames.pairs[row.pair] for row in comparisons])


def _score_pair(
    model: TemporalCoherence, windows: FrameWindows, number: int, rows: Sequence[WindowChoice]
) -> list[PlaceScores]:
    """Scores of the comparisons of one clip pair, one entry a level."""
    pair, faces = windows.frames.pairs[number], windows.frames.faces
    first, second = (
        _entries(pair.path, np.array([getattr(row, name) for row in rows]), windows.window_frames)
        for name in ("start", "other_start")
    )
    matched = np.stack([held_steps(entries) for entries in first])
    others = np.stack([held_steps(entries) for entries in second])
    device = next(model.parameters()).device
    held_matched = torch.from_numpy(matched).to(device)
    held_speech = torch.from_numpy(np.stack([matched[..., 0], others[..., 1]], axis=2)).to(device)
    query_maps, query_at = _maps(model, faces[pair.source], first[..., 0])
    heard = np.concatenate([first[..., 1], second[..., 1]])
    key_maps, key_at = _maps(model, faces[pair.target], heard)
    key_at, other_at = key_at[: len(rows)], key_at[len(rows) :]
    middle = windows.window_frames // 2
    levels = []
    for level, (query, key) in enumerate(zip(query_maps, key_maps, strict=True)):
        scores = temporal_scores(
            model, level, query[query_at], key[key_at], key[other_at], held_matched, held_speech
        )
        if isinstance(model, SpatialTemporalCoherence):
            at = [index[:, middle] for index in (query_at, key_at, other_at)]
            spatial = spatial_scores(model, level, query[at[0]], key[at[1]], key[at[2]])
            one, two, three = ((a + b) / 2 for a, b in zip(scores, spatial, strict=True))
            scores = one, two, three
        levels.append(scores)
    return levels


def _maps(
    model: TemporalCoherence, faces: np.ndarray, wanted: np.ndarray
) -> tuple[list[Tensor], Tensor]:
    """Feature maps of the distinct frames among `wanted` (B, T), and where each is found."""
    device = next(model.parameters()).device
    distinct, index = np.unique(wanted, return_inverse=True)
    images = images_from_frames(faces[distinct], device)
    maps = model.resnet50(prepare_images(images, model.settings.spatial.image_size))
    return maps, torch.from_numpy(index.reshape(wanted.shape)).to(device)


def _entries(path: np.ndarray, starts: np.ndarray, window_frames: int) -> np.ndarray:
    """Path entries (N, T, 2) of windows that start at `starts` (N,)."""
    return path[starts[:, None] + np.arange(window_frames)]
