"""The table of retrieval: the same moment of speech found again in another emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from spfem.correlation.crossmodal.joint import embed_runs
from spfem.correlation.crossmodal.learn import Signals, frames_of_roles
from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.retrieval_table import (
    ClipEmbeddings,
    RetrievalScores,
    direct_distances,
    over_windows,
    relational_distances,
    retrieval_row,
    score_retrieval,
)
from spfem.correlation.crossmodal.samples import MODALITIES, FrameTable
from spfem.correlation.crossmodal.untrained import untrained_joint
from spfem.correlation.frame_pairs import AlignedClips
from spfem.correlation.learn import PairStore
from spfem.settings import CrossModalSettings, Scale

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
