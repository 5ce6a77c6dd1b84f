"""The table of similarities before and after learning, over seeds and both splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from spfem.correlation import SpatialCoherence
from spfem.correlation.learn import FaceStore, PairStore, frame_pairs_of_role
from spfem.correlation.similarity import list_comparisons, score_similarity
from spfem.correlation.similarity_table import similarity_rows
from spfem.correlation.untrained import untrained_metric
from spfem.settings import Scale

COMPARISONS = 240  # evaluation list of each split, spread over its clip pairs
LIST_SEED = 0


def measure_similarity(
    faces: FaceStore,
    pairs: PairStore,
    roles: Mapping[str, str],
    visemes: Mapping[str, np.ndarray],
    checkpoints: Mapping[int, Path],
    scale: Scale,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Score the metric on actors it learned from and on the held-out actor.

    One definition for both states and all splits, see `spfem.correlation.similarity`.

    Args:
        faces: tracks by clip key.
        pairs: aligned clips.
        roles: actor to role.
        visemes: dominant viseme (T,) of each clip.
        checkpoints: learned metric by seed.
        scale: settings of metric and intervals.

    Returns:
        The rows of `similarity.csv`, and the scores of each quantity on the held-out actor after
        learning (first seed), for histograms.
    """
    rows: list[dict[str, object]] = []
    shown: dict[str, np.ndarray] = {}
    train = frame_pairs_of_role(faces, pairs, roles, "train")
    for split in ("train", "held_out"):
        frames = frame_pairs_of_role(faces, pairs, roles, split)
        comparisons = list_comparisons(frames, visemes, COMPARISONS, seed=LIST_SEED)
        for state in ("before", "after"):
            scores = []
            for seed, path in checkpoints.items():
                metric = (
                    SpatialCoherence.load(path)
                    if state == "after"
                    else untrained_metric(train, scale.spatial, seed=seed)
                )
                scores.append(score_similarity(metric.eval(), frames, comparisons))
            rows += similarity_rows(
                scores,
                metric="spatial",
                state=state,
                split=split,
                resamples=scale.evaluation.resamples,
                confidence=scale.evaluation.confidence,
            )
            if (split, state) == ("held_out", "after"):
                names = ("matched", "mismatched_place", "mismatched_speech")
                shown = {name: getattr(scores[0], name).mean(axis=1) for name in names}
    return pd.DataFrame(rows), shown
