"""The metrics of a workspace, each loaded when the explorer first needs it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from spfem import stages
from spfem.artifacts import RECORD_NAME
from spfem.correlation.learn import frame_pairs_of_role
from spfem.correlation.metric import CoherenceMetric
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.untrained import untrained_metric
from spfem.explore.measure import MetricLoader
from spfem.workspace import Workspace

SEED = 0


def workspace_metrics(workspace: Workspace) -> dict[str, MetricLoader]:
    """Loaders of the explorer's metrics that this workspace has learned.

    The spatial metric is always among them: where it is not there yet, it is learned when it is
    first looked at. The others are left out then.
    """
    seed = f"seed{SEED}"

    @cache
    def spatial() -> SpatialCoherence:
        return stages.load_spatial_metric(workspace, SEED)

    @cache
    def before() -> SpatialCoherence:
        return _untrained(workspace)

    loaders: dict[str, MetricLoader] = {
        "raw": spatial,
        "spatial_before": before,
        "spatial": spatial,
    }
    others: dict[str, tuple[Path, Callable[[], CoherenceMetric]]] = {
        "spatial_speech": (
            workspace.stage_folder("spatial_speech", seed),
            lambda: stages.load_spatial_metric(workspace, SEED, speech=True),
        ),
        "temporal_vd": (
            workspace.stage_folder("temporal_vd", seed),
            lambda: stages.load_temporal_metric(workspace, "temporal_vd", SEED),
        ),
        "temporal_cm": (
            workspace.stage_folder("temporal_cm", seed),
            lambda: stages.load_temporal_metric(workspace, "temporal_cm", SEED),
        ),
        "audio_visual": (
            workspace.stage_folder("cross_modal", "expression", "joint", seed),
            lambda: stages.load_cross_modal_metric(workspace, "expression", SEED),
        ),
    }
    for name, (folder, load) in others.items():
        if any(folder.glob("*.safetensors")) and (folder / RECORD_NAME).exists():
            loaders[name] = load
    return loaders


def _untrained(workspace: Workspace) -> SpatialCoherence:
    """The spatial metric as its learning starts, with statistics of the frames it learns from."""
    corpus = stages.make_corpus(workspace)
    frames = frame_pairs_of_role(
        stages.make_faces(workspace), stages.make_pairs(workspace), corpus.roles, "train"
    )
    settings = workspace.scale.spatial
    metric = untrained_metric(frames, settings, seed=SEED, device=workspace.device)
    return metric.supervise()
