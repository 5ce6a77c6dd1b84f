"""Learn with and without each released defect: the second part of `defects.csv`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spfem.correlation.crossmodal.learn import frames_of_roles
from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.learn import frame_pairs_of_role, learn_spatial
from spfem.correlation.learn_temporal import learn_temporal
from spfem.correlation.similarity import SimilarityScores
from spfem.correlation.temporal_training import formulated
from spfem.evaluation.defects import (
    CROSS_MODAL_DEFECTS,
    SPATIAL_DEFECTS,
    TEMPORAL_DEFECTS,
    LearnedDefect,
    compare_learned,
    compare_recall,
)
from spfem.evaluation.retrieval import score_sound_to_expression, scored_pairs
from spfem.evaluation.similarity import load_metric, similarity_scorer
from spfem.settings import CrossModalSettings
from spfem.stages.data import make_corpus, make_faces, make_pairs, read_clocks, read_visemes
from spfem.stages.metrics import (
    clip_signals,
    cross_modal_settings,
    learn_cross_modal_encoder,
    learn_cross_modal_pair,
)
from spfem.stages.progress import show_progress
from spfem.workspace import Workspace

CORRECTED = "paper"


def learn_with_defects(workspace: Workspace) -> pd.DataFrame:
    """Rows of `defects.csv`: each defect alone against none, same data, seeds and steps.

    Every side learns `scale.evaluation.defect_steps` steps (the cross-modal stages half of them
    each) and is scored on the held-out actors.
    """
    parts = [
        _compare_similarity(workspace, "spatial", SPATIAL_DEFECTS),
        _compare_similarity(workspace, "temporal_vd", TEMPORAL_DEFECTS),
        _compare_retrieval(workspace, CROSS_MODAL_DEFECTS),
    ]
    return pd.concat(parts, ignore_index=True)


def _compare_similarity(
    workspace: Workspace, metric: str, defects: tuple[LearnedDefect, ...]
) -> pd.DataFrame:
    evaluation = workspace.scale.evaluation
    visemes = read_visemes(workspace)
    held_out = frame_pairs_of_role(
        make_faces(workspace), make_pairs(workspace), make_corpus(workspace).roles, "held_out"
    )
    score = similarity_scorer(metric, held_out, visemes, workspace.scale)

    def scores(compat: str) -> list[SimilarityScores]:
        return [
            score(load_metric(metric, _learn(workspace, metric, compat, seed)))
            for seed in workspace.scale.seeds
        ]

    corrected = scores(CORRECTED)
    rows = [
        compare_learned(
            defect, scores(defect.name), corrected, evaluation, steps=evaluation.defect_steps
        )
        for defect in defects
    ]
    return pd.concat(rows, ignore_index=True)


def _learn(workspace: Workspace, metric: str, compat: str, seed: int) -> Path:
    steps = workspace.scale.evaluation.defect_steps
    material = (make_faces(workspace), make_pairs(workspace), make_corpus(workspace).roles)
    folder = workspace.stage_folder("defects", metric, compat, f"seed{seed}")
    bar = show_progress(f"{metric.replace('_', ' ')}, {compat.replace('_', ' ')}")
    if metric == "spatial":
        spatial = replace(workspace.scale.spatial, compat=compat, steps=steps)
        return learn_spatial(
            *material, folder, spatial, seed=seed, device=workspace.device, progress=bar
        )
    temporal = formulated(metric, workspace.scale.temporal)
    temporal = replace(temporal, compat=compat, steps=steps)
    return learn_temporal(
        metric, *material, folder, temporal, seed=seed, device=workspace.device, progress=bar
    )


def _compare_retrieval(workspace: Workspace, defects: tuple[LearnedDefect, ...]) -> pd.DataFrame:
    evaluation = workspace.scale.evaluation
    steps = max(1, evaluation.defect_steps // 2)
    settings = replace(
        cross_modal_settings(workspace),
        single_steps=steps,
        joint_steps=steps,
        consistency_start=steps // 5,
    )
    pairs, roles = make_pairs(workspace), make_corpus(workspace).roles
    asked = scored_pairs(pairs, roles, "held_out")
    signals = clip_signals(workspace, settings.image_size)
    table, _, _ = frames_of_roles(signals, ("audio", "expression"), pairs, roles, settings)
    clocks = read_clocks(workspace)

    def recalls(compat: str) -> tuple[np.ndarray, np.ndarray]:
        scores = []
        for seed in workspace.scale.seeds:
            path = _learn_cross_modal(workspace, replace(settings, compat=compat), seed)
            metric = CrossModalCoherence.load(path)
            scores.append(score_sound_to_expression(metric, table, asked, clocks, workspace.scale))
        return np.stack([each.hits[:, 0] for each in scores], axis=1), scores[0].clusters

    corrected, clusters = recalls(CORRECTED)
    rows = [
        compare_recall(
            defect,
            recalls(defect.name)[0],
            corrected,
            clusters,
            evaluation,
            quantity="recall_at_1 audio to expression",
            steps=steps,
        )
        for defect in defects
    ]
    return pd.concat(rows, ignore_index=True)


def _learn_cross_modal(workspace: Workspace, settings: CrossModalSettings, seed: int) -> Path:
    def folder(name: str) -> Path:
        return workspace.stage_folder(
            "defects", "cross_modal", settings.compat, name, f"seed{seed}"
        )

    encoders = {
        name: learn_cross_modal_encoder(workspace, name, settings, folder(name), seed)
        for name in ("audio", "expression")
    }
    return learn_cross_modal_pair(
        workspace, "expression", encoders, settings, folder("joint"), seed
    )
