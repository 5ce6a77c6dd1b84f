"""The same moment of speech found again in another emotion: distances, recall, what a bank holds.

A query is a window around a spoken neutral frame, candidates are the windows of all frames of the
same sentence in another emotion; one within a frame of the exact moment is right (SCMCL). Queries
in silence are left out: there no moment can be told from another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from spfem.correlation.frames import AlignedClips, PairStore
from spfem.correlation.learn_sound import embed_runs, untrained_joint
from spfem.correlation.retrieval import AudioBank, retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.sound import (
    MODALITIES,
    FrameTable,
    Signals,
    frames_of_roles,
)
from spfem.errors import CorpusError, ShapeError
from spfem.scales import Scale
from spfem.settings import CrossModalSettings, EvaluationSettings
from spfem.statistics import cluster_bootstrap

NEAR_FRAMES = 1.0  # a retrieved frame this far from the exact moment is right
RANKS = (1, 5)
SCORED_PAIRS = 24  # of each split, spread evenly over its actors and emotions


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
    """Fractional frame (T,) of the other clip that says the same, by phoneme clocks (T,), (U,)."""
    return np.interp(clock_source, clock_target, np.arange(len(clock_target)))


def spoken_frames(clock: np.ndarray) -> np.ndarray:
    """(T,) bool: frames within a phoneme; in silence all moments sound and look alike."""
    moves = np.gradient(clock) > 0 if len(clock) > 1 else np.ones(len(clock), bool)
    return (clock >= 0) & (clock < np.floor(clock[-1])) & moves


def score_retrieval(
    pairs: Iterable[AlignedClips],
    distances: Callable[[AlignedClips], np.ndarray],
    clocks: Mapping[str, np.ndarray],
) -> RetrievalScores:
    """Ask with every spoken neutral frame for the same moment in the other emotion's clip.

    Args:
        pairs: clip pairs of the same sentence.
        distances: (T, U) from the neutral frames of a pair to all frames of the other clip,
            silence included; ties count for the earlier frame.
        clocks: phoneme clock of each clip by key, at least as long as the distances.

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
    scores: Sequence[RetrievalScores], settings: EvaluationSettings, **labels: str
) -> dict[str, Any]:
    """One row of `retrieval.csv`: means over queries and seeds, with the interval of recall at 1.

    Args:
        scores: of the same queries, one entry a seed of learning.
        settings: of the bootstrap, clustered by actor and clip pair.
        labels: what the row is of, which comes first in it.

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
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=0,
    )
    return {
        **labels,
        "recall_at_1": interval.value,
        "recall_at_5": float(np.mean([each.hits[:, 1].mean() for each in scores])),
        "chance_at_1": float(scores[0].chance.mean()),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "seeds": len(scores),
    }


def measure_retrieval(
    signals: Signals,
    pairs: PairStore,
    roles: Mapping[str, str],
    clocks: Mapping[str, np.ndarray],
    checkpoints: Mapping[str, Mapping[str, Mapping[int, Path]]],
    settings: CrossModalSettings,
    scale: Scale,
) -> pd.DataFrame:
    """Recall of the exact moment, before and after learning, on seen and on held-out actors.

    Windows have `scale.evaluation.retrieval_context` frames on each side. Within a modality
    embeddings are compared; across modalities, whose coordinates the published objective leaves
    free, calibrated distances to the neutral clip are (`relational_distances`).

    Args:
        signals: of each clip.
        pairs: aligned clips.
        roles: actor to role.
        clocks: phoneme clock (T,) of each clip.
        checkpoints: state, such as `after`, to visual modality to seed to metric. Every state
            that lacks a visual modality is measured without it.
        settings: of the metric, with the frame rate of the corpus.
        scale: seeds and settings of the intervals.

    Returns:
        The rows of `retrieval.csv`.
    """
    seen = {visual for state in checkpoints.values() for visual in state}
    modalities = tuple(name for name in MODALITIES if name == "audio" or name in seen)
    table, train, _ = frames_of_roles(signals, modalities, pairs, roles, settings)
    known = {
        "before": [
            {v: untrained_joint(table, train, settings, v, seed=seed) for v in sorted(seen)}  # type: ignore[arg-type]
            for seed in scale.metric_seeds
        ]
    }
    for state, visuals in checkpoints.items():
        seeds = sorted(set.intersection(*(set(each) for each in visuals.values())))
        known[state] = [
            {v: CrossModalCoherence.load(paths[seed]) for v, paths in visuals.items()}
            for seed in seeds
        ]
    rows = []
    for split, (state, metrics) in product(("train", "held_out"), known.items()):
        scored = scored_pairs(pairs, roles, split)
        embedded = [_embed(each, table, scored) for each in metrics]
        offered = ("audio", *sorted(metrics[0]))
        for query, target in product(offered, offered):
            scores = [_score(each, query, target, scored, clocks, scale) for each in embedded]
            labels = {"query": query, "target": target, "state": state, "split": split}
            rows.append(retrieval_row(scores, scale.evaluation, **labels))
    return pd.DataFrame(rows)


def scored_pairs(pairs: PairStore, roles: Mapping[str, str], split: str) -> list[AlignedClips]:
    """Usable pairs of the actors of a role that retrieval is measured on."""
    usable = [
        pair
        for pair in pairs.pairs
        if pair.usable and roles.get(pair.source.split("/")[0]) == split
    ]
    return usable[:: max(1, len(usable) // SCORED_PAIRS)]


def score_directions(
    metric: CrossModalCoherence,
    table: FrameTable,
    pairs: Sequence[AlignedClips],
    clocks: Mapping[str, np.ndarray],
    scale: Scale,
    directions: Iterable[tuple[str, str]],
) -> list[RetrievalScores]:
    """Retrieval with one metric from query to target modality, as in `measure_retrieval`."""
    embedded = _embed({metric.visual: metric}, table, pairs)
    return [_score(embedded, *direction, pairs, clocks, scale) for direction in directions]


Embedded = dict[tuple[str, str, str], tuple[torch.Tensor, float, float]]
"""(clip, metric, modality) to the embedded frames, and the scale and shift of their distances."""


@torch.no_grad()
def _embed(
    metrics: Mapping[str, CrossModalCoherence], table: FrameTable, pairs: Sequence[AlignedClips]
) -> Embedded:
    embedded: Embedded = {}
    for visual, metric in metrics.items():
        scale = float(metric.scale_layer.w), float(metric.scale_layer.b)
        for key in dict.fromkeys(key for pair in pairs for key in (pair.source, pair.target)):
            runs = table.runs(table.rows(key), metric.settings.frames)
            for modality, calibration in (("audio", (1.0, 0.0)), (visual, scale)):
                frames = embed_runs(metric, table, modality, runs).cpu()
                embedded[key, visual, modality] = (frames, *calibration)
    return embedded


def _score(
    embedded: Embedded,
    query: str,
    target: str,
    pairs: Sequence[AlignedClips],
    clocks: Mapping[str, np.ndarray],
    scale: Scale,
) -> RetrievalScores:
    def side(pair: AlignedClips, modality: str, other: str) -> ClipEmbeddings:
        known = {metric for _, metric, _ in embedded}
        visual = next((m for m in (modality, other) if m in known), min(known))
        source, factor, shift = embedded[pair.source, visual, modality]
        return ClipEmbeddings(source, embedded[pair.target, visual, modality][0], factor, shift)

    def distances(pair: AlignedClips) -> np.ndarray:
        compare = direct_distances if query == target else relational_distances
        plain = compare(side(pair, query, target), side(pair, target, query))
        return over_windows(plain, scale.evaluation.retrieval_context)

    return score_retrieval(pairs, distances, clocks)


def exact_path(
    pair: AlignedClips, clocks: Mapping[str, np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    """Entries (T, 2) of a (T, U) matrix that say exactly the same, to the nearest frame."""
    exact = exact_moments(clocks[pair.source], clocks[pair.target])[: shape[0]].round().astype(int)
    return np.column_stack([np.arange(shape[0]), exact.clip(0, shape[1] - 1)])


def describe_bank(bank: AudioBank, actor: str, emotions: Sequence[str]) -> pd.DataFrame:
    """How many windows of an actor find candidates in each target emotion, and how near.

    Returns:
        Rows `actor, target_emotion, windows, with_candidate, candidates_a_window,
        median_distance`.
    """
    rows = []
    for emotion in emotions:
        distance = retrieve_all(bank, emotion).distance
        found = np.isfinite(distance)
        rows.append(
            {
                "actor": actor,
                "target_emotion": emotion,
                "windows": len(found),
                "with_candidate": float(found.any(axis=1).mean()),
                "candidates_a_window": float(found.sum(axis=1).mean()),
                "median_distance": float(np.median(distance[found])) if found.any() else np.nan,
            }
        )
    return pd.DataFrame(rows)
