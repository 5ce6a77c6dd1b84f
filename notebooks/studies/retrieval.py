"""How well a moment of speech is found again in another emotion, against the exact truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from spfem.correlation.frames import AlignedClips
from spfem.errors import CorpusError, ShapeError
from spfem.statistics import cluster_bootstrap

NEAR_FRAMES = 1.0  # a retrieved frame this far from the exact moment is right
RANKS = (1, 5)


@dataclass(frozen=True)
class RetrievalScores:
    """One row a query frame; M queries.

    Attributes:
        hits: (M, 2) bool, whether a right frame is the first, is among the first five.
        chance: (M,) share of the candidates that are right, the recall at 1 of a blind guess.
        clusters: (M, 2) actor and clip pair of each query.
    """

    hits: np.ndarray
    chance: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class ClipEmbeddings:
    """A clip pair in one modality: every frame embedded, with its calibration.

    Attributes:
        source: (T, D) neutral frames.
        target: (U, D) frames in the other emotion.
        scale: factor from distances to those of audio; 1 for audio.
        shift: added after it; 0 for audio.
    """

    source: torch.Tensor
    target: torch.Tensor
    scale: float = 1.0
    shift: float = 0.0


def direct_distances(query: ClipEmbeddings, target: ClipEmbeddings) -> np.ndarray:
    """Distances (T, U) between embeddings themselves: for one space, or one learned jointly."""
    return torch.cdist(query.source, target.target).numpy()


def relational_distances(query: ClipEmbeddings, target: ClipEmbeddings) -> np.ndarray:
    """Distances (T, U) between frames of two spaces, by how they relate to the neutral clip.

    Matching distance matrices says nothing about coordinates, so a frame is described by its
    calibrated distances to all frames of the neutral clip in its own modality; two descriptions
    are compared by their mean absolute difference.

    Args:
        query: T neutral frames, the first set and the anchors.
        target: of the other modality; U frames and the same T anchors.

    Raises:
        ShapeError: if the neutral clips differ in length.
    """
    if len(query.source) != len(target.source):
        raise ShapeError(
            f"both modalities must hold the same neutral frames, found {len(query.source)} and "
            f"{len(target.source)}"
        )
    asked = query.scale * torch.cdist(query.source, query.source) + query.shift
    offered = target.scale * torch.cdist(target.target, target.source) + target.shift
    return torch.cdist(asked, offered, p=1).numpy() / len(query.source)


def over_windows(distances: np.ndarray, context: int) -> np.ndarray:
    """Distances (T, U) between windows: the mean over `context` frames on each side and the frame.

    Both windows advance frame by frame and are clamped at the ends of their clips.
    """
    rows, columns = (np.arange(size) for size in distances.shape)
    steps = range(-context, context + 1)
    shifted = [
        distances[np.clip(rows + n, 0, rows[-1])][:, np.clip(columns + n, 0, columns[-1])]
        for n in steps
    ]
    return np.mean(shifted, axis=0)


def exact_moments(clock_source: np.ndarray, clock_target: np.ndarray) -> np.ndarray:
    """Fractional frame (T,) of the other clip at which the same is being said.

    Args:
        clock_source: (T,) phoneme clock of the clip that is asked about.
        clock_target: (U,) of the other clip.
    """
    return np.interp(clock_source, clock_target, np.arange(len(clock_target)))


def spoken_frames(clock: np.ndarray) -> np.ndarray:
    """(T,) bool: frames within a phoneme; in silence all moments sound and look alike."""
    moves = np.gradient(clock) > 0 if len(clock) > 1 else np.ones(len(clock), bool)
    return (clock >= 0) & (clock < np.floor(clock[-1])) & moves


Distances = Callable[[AlignedClips], np.ndarray]
"""Distances (T, U) from the neutral frames of a clip pair to those of the other emotion."""


def score_retrieval(
    pairs: Iterable[AlignedClips],
    distances: Distances,
    clocks: Mapping[str, np.ndarray],
    *,
    spoken_only: bool = True,
) -> RetrievalScores:
    """Ask with every neutral frame for the same moment in the other emotion's clip.

    All frames of the other clip are candidates, silence included. A candidate within one frame
    of the exact moment is right.

    Args:
        pairs: clip pairs of the same sentence.
        distances: of the frames of a pair; ties count for the earlier frame.
        clocks: phoneme clock of each clip by key, at least as long as the distances.
        spoken_only: leave out queries in silence, in which one moment cannot be told from
            another.

    Raises:
        CorpusError: if there is no query.
    """
    hits, chance, clusters = [], [], []
    for pair in pairs:
        table = distances(pair)
        source, target = clocks[pair.source][: table.shape[0]], clocks[pair.target]
        exact = exact_moments(source, target)
        right = np.abs(np.arange(table.shape[1]) - exact[:, None]) <= NEAR_FRAMES
        asked = spoken_frames(clocks[pair.source])[: len(source)] & right.any(axis=1)
        if not spoken_only:
            asked = right.any(axis=1)
        order = np.argsort(table, axis=1, kind="stable")
        ranked = np.take_along_axis(right, order, axis=1)[asked]
        hits.append(np.stack([ranked[:, :rank].any(axis=1) for rank in RANKS], axis=1))
        chance.append(right[asked].mean(axis=1))
        actor = pair.source.split("/")[0]
        clusters += [(actor, f"{pair.source} {pair.target}")] * int(asked.sum())
    if not clusters:
        raise CorpusError("no spoken frame to ask with; check roles, pairs and the truth")
    return RetrievalScores(np.concatenate(hits), np.concatenate(chance), np.array(clusters))


def retrieval_row(
    scores: Sequence[RetrievalScores],
    *,
    query: str,
    target: str,
    state: str,
    split: str,
    resamples: int,
    confidence: float,
    seed: int = 0,
) -> dict[str, Any]:
    """One row of `retrieval.csv`: means over queries and seeds, with the interval of recall at 1.

    Args:
        scores: of the same queries, one entry a seed of learning.
        query: modality, as `target`.
        target: modality.
        state: of learning, for the table.
        split: `train` or `held_out`.
        resamples: of the bootstrap, clustered by actor and clip pair.
        confidence: of the interval.
        seed: of the bootstrap.

    Raises:
        ShapeError: if the seeds were scored on different queries.
    """
    clusters = scores[0].clusters
    if any(not np.array_equal(other.clusters, clusters) for other in scores):
        raise ShapeError("all seeds must be scored on the same queries")
    first = np.mean([each.hits[:, 0] for each in scores], axis=0)
    # A clip pair is redrawn as a whole, so its sum and count say all; rows would cost far more.
    names, numbers = np.unique(clusters, axis=0, return_inverse=True)
    sums = np.stack([np.bincount(numbers.reshape(-1), first), np.bincount(numbers.reshape(-1))], 1)
    interval = cluster_bootstrap(
        sums,
        names,
        statistic=lambda pairs: float(pairs[:, 0].sum() / pairs[:, 1].sum()),
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return {
        "query": query,
        "target": target,
        "state": state,
        "split": split,
        "recall_at_1": interval.value,
        "recall_at_5": float(np.mean([each.hits[:, 1].mean() for each in scores])),
        "chance_at_1": float(scores[0].chance.mean()),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "seeds": len(scores),
    }
