"""The table of retrieval: the same moment of speech found again in another emotion.

What sound finds, for pictures and a first look: distance matrices, contents of a bank.

Distances of sound and of expression between all moments of two clips: SCMCL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from studies.retrieval import (
    ClipEmbeddings,
    RetrievalScores,
    direct_distances,
    exact_moments,
    over_windows,
    relational_distances,
    retrieval_row,
    score_retrieval,
)

from spfem.correlation.frames import AlignedClips
from spfem.correlation.learn import PairStore
from spfem.correlation.learn_sound import embed_runs, untrained_joint
from spfem.correlation.retrieval import AudioBank, retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence, pairwise_distances
from spfem.correlation.sound import MODALITIES, FrameTable, slice_audio
from spfem.pairing.pairs import Pair
from spfem.run.learned import Signals, frames_of_roles
from spfem.scales import Scale
from spfem.settings import CrossModalSettings

SCORED_PAIRS = 24  # of each split, spread evenly over its actors and emotions

Metrics = Mapping[str, CrossModalCoherence]
"""A metric for each visual modality, `expression` and `image`."""


def measure_retrieval(
    signals: Signals,
    pairs: PairStore,
    roles: Mapping[str, str],
    clocks: Mapping[str, np.ndarray],
    checkpoints: Mapping[str, Mapping[str, Mapping[int, Path]]],
    settings: CrossModalSettings,
    scale: Scale,
    *,
    spoken_only: bool = True,
) -> pd.DataFrame:
    """Recall of the exact moment, before and after learning, on seen and on held-out actors.

    The query is a window around a spoken neutral frame, the candidates are the windows of all
    frames of the same sentence in another emotion; one within a frame of the exact moment is
    right. Windows have `scale.evaluation.retrieval_context` frames on each side. Within a
    modality embeddings are compared; across modalities, whose coordinates the published
    objective leaves free, calibrated distances to the neutral clip are (`relational_distances`).

    Args:
        signals: of each clip.
        pairs: aligned clips.
        roles: actor to role.
        clocks: phoneme clock (T,) of each clip.
        checkpoints: state, such as `after`, to visual modality to seed to metric. Every state
            that lacks a visual modality is measured without it.
        settings: of the metric, with the frame rate of the corpus.
        scale: seeds and settings of the intervals.
        spoken_only: leave out queries in silence, where no moment can be told from another.

    Returns:
        The rows of `retrieval.csv`.
    """
    seen = {visual for state in checkpoints.values() for visual in state}
    modalities = tuple(name for name in MODALITIES if name == "audio" or name in seen)
    table, train, _ = frames_of_roles(signals, modalities, pairs, roles, settings)
    known = {
        "before": [
            {v: untrained_joint(table, train, settings, v, seed=seed) for v in sorted(seen)}  # type: ignore[arg-type]
            for seed in scale.seeds
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
            scores = [
                _score(each, query, target, scored, clocks, scale, spoken_only) for each in embedded
            ]
            rows.append(
                retrieval_row(
                    scores,
                    query=query,
                    target=target,
                    state=state,
                    split=split,
                    resamples=scale.evaluation.resamples,
                    confidence=scale.evaluation.confidence,
                )
            )
    return pd.DataFrame(rows)


def scored_pairs(pairs: PairStore, roles: Mapping[str, str], split: str) -> list[AlignedClips]:
    """Usable pairs of the actors of a role that retrieval is measured on."""
    usable = [
        pair
        for pair in pairs.pairs
        if pair.usable and roles.get(pair.source.split("/")[0]) == split
    ]
    return usable[:: max(1, len(usable) // SCORED_PAIRS)]


def score_sound_to_expression(
    metric: CrossModalCoherence,
    table: FrameTable,
    pairs: Sequence[AlignedClips],
    clocks: Mapping[str, np.ndarray],
    scale: Scale,
) -> RetrievalScores:
    """Retrieval of expressions by sound with one metric, as in `measure_retrieval`."""
    embedded = _embed({"expression": metric}, table, pairs)
    return _score(embedded, "audio", "expression", pairs, clocks, scale, spoken_only=True)


Embedded = dict[tuple[str, str, str], tuple[torch.Tensor, float, float]]
"""(clip, metric, modality) to the embedded frames, and the scale and shift of their distances."""


@torch.no_grad()
def _embed(metrics: Metrics, table: FrameTable, pairs: Sequence[AlignedClips]) -> Embedded:
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
    spoken_only: bool,
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

    return score_retrieval(pairs, distances, clocks, spoken_only=spoken_only)


@torch.no_grad()
def distance_matrix(
    metric: CrossModalCoherence, table: FrameTable, pair: AlignedClips, modality: str
) -> np.ndarray:
    """Distances (T, U) of all moments of a pair's clips; those of vision in units of sound.

    Args:
        metric: in evaluation mode.
        table: holds the frames of both clips.
        pair: neutral clip and clip in another emotion.
        modality: `audio` or the metric's visual one.
    """
    sides = [
        embed_runs(metric, table, modality, table.runs(table.rows(key), metric.settings.frames))
        for key in (pair.source, pair.target)
    ]
    distances = pairwise_distances(sides[0], sides[1])
    if modality != "audio":
        distances = metric.scale_layer(distances)
    return distances.numpy()


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


class SpokenClip(Protocol):
    """A clip of T frames, `fps` a second: sound (A,) in [-1, 1], and face units (T, E)."""

    waveform: np.ndarray
    sample_rate: int
    expression: np.ndarray
    fps: float


def moment_distances(
    metric: CrossModalCoherence, first: SpokenClip, second: SpokenClip, path: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (T, U) of sound and of expression; NaN where a clip's sound has ended.

    Those of expression are in the units of sound. `path` (N, 2) says which frames belong together.
    """
    parts = [_signals(clip, metric.settings) for clip in (first, second)]
    lengths = [len(audio) for audio, _ in parts]
    table = FrameTable(
        keys=("first", "second"),
        starts=np.cumsum([0, *lengths]),
        found=np.ones(sum(lengths), bool),
        signals={
            "audio": np.concatenate([audio for audio, _ in parts]),
            "expression": np.concatenate([expression for _, expression in parts]),
        },
    )
    keys = Pair("first", "second", path, normalised_cost=0.0, usable=True)
    shape = (len(first.expression), len(second.expression))
    sound, expression = (np.full(shape, np.nan, np.float32) for _ in range(2))
    for whole, modality in ((sound, "audio"), (expression, "expression")):
        whole[: lengths[0], : lengths[1]] = distance_matrix(metric, table, keys, modality)
    return sound, expression


def _signals(clip: SpokenClip, settings: CrossModalSettings) -> tuple[np.ndarray, np.ndarray]:
    """Slices of sound (n, A) and face units (n, E) of the n frames that have both."""
    if round(clip.fps) == settings.fps:
        slices = slice_audio(clip.waveform, settings)
    else:  # slices of the length that was learned, at the clip's own frames
        starts = (np.arange(len(clip.expression)) * clip.sample_rate / clip.fps).astype(int)
        starts = starts[starts + settings.frame_samples <= len(clip.waveform)]
        slices = clip.waveform[starts[:, None] + np.arange(settings.frame_samples)]
    length = min(len(slices), len(clip.expression))
    return slices[:length], clip.expression[:length].astype(np.float32)
