"""The table of similarities before and after learning, over seeds and both splits: a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.frames import FramePairs, FrameWindows, PairStore, TrackedFaces
from spfem.correlation.learn import (
    TEMPORAL_METRICS,
    frame_pairs_of_role,
    metric_class,
    untrained_metric,
    untrained_temporal_metric,
)
from spfem.correlation.stccl import TemporalCoherence
from spfem.files import file_digest, writing
from spfem.run.artifacts import open_stage
from spfem.run.data import make_corpus, make_faces, make_pairs, read_visemes
from spfem.run.metrics import make_metric, make_metrics
from spfem.run.workspace import Workspace, gains_by_sharing, work_off
from spfem.scales import Scale
from studies.moment_similarity import (
    SimilarityScores,
    list_comparisons,
    score_similarity,
    similarity_rows,
)
from studies.window_similarity import list_window_comparisons, score_window_similarity

LIST_SEED = 0
SCORES = "scores.npz"
IMAGE_METRICS = ("spatial", "spatial_speech")


def make_similarities(
    workspace: Workspace, names: Sequence[str]
) -> dict[str, tuple[pd.DataFrame, dict[str, np.ndarray]]]:
    """`make_similarity` of several metrics; what is missing is learned and scored side by side."""
    make_metrics(workspace, names)
    missing = [name for name in names if not _folder(workspace, name).joinpath(SCORES).exists()]
    if gains_by_sharing(workspace, missing):
        work_off(workspace, _make, [(workspace, name) for name in missing], "similarity")
    return {name: make_similarity(workspace, name) for name in names}


def _make(job: tuple[Workspace, str]) -> None:
    make_similarity(*job)


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.stage_folder("similarity", name)


def make_similarity(workspace: Workspace, name: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Rows of `similarity.csv` of one metric over all seeds, and its held-out scores.

    See `measure_similarity`.
    """
    corpus, scale = make_corpus(workspace), workspace.scale
    checkpoints = {seed: make_metric(workspace, name, seed) for seed in scale.metric_seeds}
    used = [scale.temporal if name in TEMPORAL_METRICS else scale.spatial, scale.evaluation]
    stage = open_stage(
        _folder(workspace, name),
        f"similarity {name}",
        settings={"metric": name, "settings": used, "roles": dict(corpus.roles)},
        inputs={f"seed{seed}": file_digest(path) for seed, path in checkpoints.items()}
        | {
            "corpus": corpus.digest,
            "faces": make_faces(workspace).digest,
            "pairs": make_pairs(workspace).digest,
        },
        code=(measure_similarity,),
    )
    table_path, scores_path = stage.folder / "similarity.csv", stage.folder / SCORES
    if not stage.complete:
        table, scores = measure_similarity(
            make_faces(workspace),
            make_pairs(workspace),
            corpus.roles,
            read_visemes(workspace),
            checkpoints,
            scale,
            metric=name,
        )
        with writing(table_path) as aside:
            table.to_csv(aside, index=False)
        with writing(scores_path) as aside:
            arrays: dict[str, Any] = dict(scores)
            np.savez(aside, **arrays)
        stage.finish()
    with np.load(scores_path) as stored:
        return pd.read_csv(table_path, float_precision="round_trip"), dict(stored)


def measure_similarity(
    faces: Mapping[str, TrackedFaces],
    pairs: PairStore,
    roles: Mapping[str, str],
    visemes: Mapping[str, np.ndarray],
    checkpoints: Mapping[int, Path],
    scale: Scale,
    *,
    metric: str = "spatial",
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Score a metric, by seed, on the actors it learned from and on the held-out actor.

    One definition for both states and all splits, see `studies.moment_similarity`.

    Returns:
        The rows of `similarity.csv`, and the scores of each quantity on the held-out actor after
        learning (first seed), for histograms.
    """
    rows: list[dict[str, object]] = []
    shown: dict[str, np.ndarray] = {}
    train = frame_pairs_of_role(faces, pairs, roles, "train")
    for split in ("train", "held_out"):
        frames = frame_pairs_of_role(faces, pairs, roles, split)
        score = similarity_scorer(metric, frames, visemes, scale)
        for state in ("before", "after"):
            scores = []
            for seed, path in checkpoints.items():
                after = state == "after"
                model = load_metric(metric, path) if after else _start(metric, train, scale, seed)
                scores.append(score(model.eval()))
            rows += similarity_rows(
                scores,
                metric=metric,
                state=state,
                split=split,
                resamples=scale.evaluation.resamples,
                confidence=scale.evaluation.confidence,
            )
            if (split, state) == ("held_out", "after"):
                names = ("matched", "mismatched_place", "mismatched_speech")
                shown = {name: getattr(scores[0], name).mean(axis=1) for name in names}
    return pd.DataFrame(rows), shown


def similarity_scorer(
    metric: str, frames: FramePairs, visemes: Mapping[str, np.ndarray], scale: Scale
) -> Callable[[Any], SimilarityScores]:
    """Function of a model that scores it on the fixed evaluation list of `frames`.

    The list is spread over at most `scale.evaluation.compared_pairs` clip pairs, evenly spaced.
    """
    count, most = scale.evaluation.comparisons, scale.evaluation.compared_pairs
    spread = np.linspace(0, len(frames.pairs), min(most, len(frames.pairs)), endpoint=False)
    frames = FramePairs(frames.faces, tuple(frames.pairs[int(number)] for number in spread))
    if metric in IMAGE_METRICS:
        comparisons = list_comparisons(frames, visemes, count, seed=LIST_SEED)
        return lambda model: score_similarity(model, frames, comparisons)
    windows = FrameWindows(frames, scale.temporal.window_frames)
    choices = list_window_comparisons(windows, visemes, count, seed=LIST_SEED)
    return lambda model: score_window_similarity(model, windows, choices)


def load_metric(metric: str, path: Path) -> SpatialCoherence | TemporalCoherence:
    """The learned metric, frozen."""
    return (SpatialCoherence if metric in IMAGE_METRICS else metric_class(metric)).load(path)


def _start(
    metric: str, train: FramePairs, scale: Scale, seed: int
) -> SpatialCoherence | TemporalCoherence:
    """The metric before learning, frozen."""
    if metric in IMAGE_METRICS:
        return untrained_metric(train, scale.spatial, seed=seed)
    return untrained_temporal_metric(metric, train, scale.temporal, seed=seed)
