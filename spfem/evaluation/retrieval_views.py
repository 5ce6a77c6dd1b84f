"""What sound finds, for pictures and a first look: distance matrices, contents of a bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from spfem.correlation.crossmodal.bank import AudioBank
from spfem.correlation.crossmodal.joint import embed_runs
from spfem.correlation.crossmodal.losses import pairwise_distances
from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.retrieval import retrieve_all
from spfem.correlation.crossmodal.retrieval_table import exact_moments
from spfem.correlation.crossmodal.samples import FrameTable
from spfem.correlation.frame_pairs import AlignedClips


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
