"""Negatives from other moments of the sentence: our extension of the spatial metric.

The published negatives are other places of the same image, so the metric need only learn places.
Here the same places at another moment of the same clip pair are negatives too: what tells two
moments of a sentence apart is speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.correlation.frame_pairs import FramePairs
from spfem.errors import ShapeError


@dataclass(frozen=True)
class Moments:
    """M moments of each of G clip pairs, clip pair by clip pair; B = G M.

    `neutral` and `emotion` are frames (B, S, S, 3) uint8 RGB, row by row aligned; `numbers`
    (G, M, 2) holds their frame indices (source, target).
    """

    neutral: np.ndarray
    emotion: np.ndarray
    numbers: np.ndarray


def draw_moments(
    frames: FramePairs, count: int, moments: int, random: np.random.Generator
) -> Moments:
    """Draw clip pairs uniformly, and `moments` entries of the path of each, spread over it.

    One entry is drawn from each of `moments` equal parts of the path; the shorter the path, the
    nearer they may lie, so the contrast leaves out those that are too near.

    Args:
        frames: to draw from.
        count: B, a multiple of `moments`.
        moments: M, of each clip pair.
        random: source of all draws.

    Raises:
        ShapeError: if `count` is no multiple of `moments`.
    """
    if moments < 2 or count % moments:
        raise ShapeError(
            f"{count} frame pairs cannot be {moments} moments each of some clip pairs; "
            "take a multiple of at least 2 moments"
        )
    chosen = random.integers(len(frames.pairs), size=count // moments)
    pairs = [frames.pairs[number] for number in chosen]
    starts = np.arange(moments) + random.random((len(pairs), moments))
    numbers = np.stack(
        [
            pair.path[(places * len(pair.path) / moments).astype(int)]
            for pair, places in zip(pairs, starts, strict=True)
        ]
    )
    each = [(pair, row) for pair, rows in zip(pairs, numbers, strict=True) for row in rows]
    return Moments(
        np.stack([frames.faces[pair.source][row[0]] for pair, row in each]),
        np.stack([frames.faces[pair.target][row[1]] for pair, row in each]),
        numbers,
    )


def too_near(numbers: Tensor, gap_frames: int) -> Tensor:
    """Which two moments are too near to count as different speech, in either clip.

    Args:
        numbers: (G, M, 2) frame indices.
        gap_frames: moments at least this far apart in both clips are negatives.

    Returns:
        (G, M, M) bool, false on the diagonal (the positive).
    """
    distance = (numbers[:, :, None] - numbers[:, None]).abs()  # (G, M, M, 2)
    itself = torch.eye(numbers.shape[1], dtype=torch.bool, device=numbers.device)
    return (distance < gap_frames).any(dim=3) & ~itself


def moment_contrast(
    query: Tensor, key: Tensor, numbers: Tensor, *, temperature: float, gap_frames: int
) -> Tensor:
    """Cross-entropy of finding each moment among those of its clip pair.

    The score of two moments is the mean cosine over places. Scored place by place, places that
    cannot tell moments apart draw all descriptors together, since that makes wrong answers cheap;
    of a mean they are a part that does no harm. Both ways: the key's moment of a query, and the
    query's moment of a key.

    Args:
        query: (B, C, S) descriptors, L2-normalised over C; B = G M, clip pair by clip pair.
        key: (B, C, S), likewise; no gradient reaches it.
        numbers: (G, M, 2) frame indices (source, target).
        temperature: of the scores.
        gap_frames: nearer moments are no negatives.

    Returns:
        (B,), not reduced; ln M where the descriptors say nothing and no moments are near.

    Raises:
        ShapeError: if the shapes do not belong together.
    """
    if query.shape != key.shape or query.ndim != 3 or len(query) != numbers[..., 0].numel():
        raise ShapeError(
            f"query {tuple(query.shape)} and key {tuple(key.shape)} must be (B, C, S) with the B "
            f"moments of numbers {tuple(numbers.shape)}"
        )
    groups = numbers.shape[:2]
    rows, others = (each.flatten(1).unflatten(0, groups) for each in (query, key.detach()))
    logits = rows @ others.transpose(1, 2) / (query.shape[2] * temperature)  # (G, M, M)
    logits = logits.masked_fill(too_near(numbers, gap_frames), float("-inf"))
    ways = [functional.log_softmax(logits, dim=way) for way in (1, 2)]
    own = torch.stack([way.diagonal(dim1=1, dim2=2) for way in ways]).mean(dim=0)
    return -own.flatten()


def speech_loss(
    levels: Sequence[tuple[Tensor, Tensor]],
    numbers: Tensor,
    *,
    temperature: float,
    gap_frames: int,
) -> Tensor:
    """Sum over levels of the mean contrast of moments.

    Args:
        levels: query and key descriptors (B, C, S) of each level.
        numbers: (G, M, 2) frame indices.
        temperature: as in `moment_contrast`.
        gap_frames: likewise.
    """
    rows = [
        moment_contrast(query, key, numbers, temperature=temperature, gap_frames=gap_frames).mean()
        for query, key in levels
    ]
    return torch.stack(rows).sum()
