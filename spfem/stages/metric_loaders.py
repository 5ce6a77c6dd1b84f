"""What loads each metric of a workspace, for whoever looks at them one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.learn import frame_pairs_of_role
from spfem.correlation.metric import CoherenceMetric
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.untrained import untrained_metric
from spfem.opened_stages import RECORD_NAME
from spfem.stages.data import make_corpus, make_faces, make_pairs
from spfem.stages.metrics import (
    load_cross_modal_metric,
    load_spatial_metric,
    load_temporal_metric,
)
from spfem.workspace import Workspace

METRIC_TITLES: dict[str, str] = {
    "raw": "raw features",
    "spatial_before": "ASCCL before learning",
    "spatial": "ASCCL",
    "spatial_speech": "ASCCL with speech negatives (ours)",
    "temporal_vd": "STCCL, visual disparity",
    "temporal_cm": "STCCL, correlation matrices",
    "audio_visual": "SCMCL, sound and expression",
}
"""Metrics in the order in which they are offered, with the names that readers see."""

MetricLoader = Callable[[], CoherenceMetric]
SEED = 0


def metric_loaders(workspace: Workspace) -> dict[str, MetricLoader]:
    """Loaders of metrics in evaluation mode, by keys of `METRIC_TITLES`.

    The spatial metric is learned where it is missing, when it is first loaded; others are left out
    then. `raw` is the spatial metric as well, for its network's features; `spatial_before` is as
    its learning starts.
    """
    spatial = partial(load_spatial_metric, workspace, SEED)
    loaders: dict[str, MetricLoader] = {
        "raw": spatial,
        "spatial_before": partial(_load_untrained, workspace),
        "spatial": spatial,
    }
    learned: dict[str, tuple[tuple[str, ...], MetricLoader]] = {
        "spatial_speech": (("spatial_speech",), partial(spatial, speech=True)),
        "audio_visual": (
            ("cross_modal", "expression", "joint"),
            partial(load_cross_modal_metric, workspace, "expression", SEED),
        ),
    }
    for name in ("temporal_vd", "temporal_cm"):
        learned[name] = ((name,), partial(load_temporal_metric, workspace, name, SEED))
    for name, (folders, load) in learned.items():
        folder = workspace.stage_folder(*folders, f"seed{SEED}")
        if any(folder.glob("*.safetensors")) and (folder / RECORD_NAME).exists():
            loaders[name] = load
    return loaders


def shipped_loaders() -> dict[str, MetricLoader]:
    """Loaders of the metrics that come with the package, by keys of `METRIC_TITLES`; no run."""
    return {
        "raw": SpatialCoherence.pretrained,
        "spatial": SpatialCoherence.pretrained,
        "spatial_speech": partial(SpatialCoherence.pretrained, "speech"),
        "audio_visual": CrossModalCoherence.pretrained,
    }


def _load_untrained(workspace: Workspace) -> SpatialCoherence:
    """With statistics of the frames that the metric learns from."""
    roles = make_corpus(workspace).roles
    frames = frame_pairs_of_role(make_faces(workspace), make_pairs(workspace), roles, "train")
    settings = workspace.scale.spatial
    return untrained_metric(frames, settings, seed=SEED, device=workspace.device).supervise()
