"""Open the explorer on a workspace, with two own clips beside its corpus if there are any."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from spfem import stages
from spfem.artifacts import RECORD_NAME
from spfem.correlation.learn import frame_pairs_of_role
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.untrained import untrained_metric
from spfem.errors import SettingsError
from spfem.explore.clips import ClipSource
from spfem.explore.corpus_clips import corpus_clips
from spfem.explore.explorer import CorrelationExplorer, MetricLoader
from spfem.explore.own_clips import own_clips
from spfem.workspace import Workspace

SEED = 0
OWN_FOLDER = "own"  # of tracks, which edits of own clips use as well


def explore_corpus(
    workspace: Workspace, *, own_first: Path | str = "", own_second: Path | str = ""
) -> CorrelationExplorer:
    """Explore the clips of a workspace's corpus, and two own clips beside them.

    Shown are actors that no metric has learned from. Corpus, faces, pairs and the spatial metric
    are made where they are missing; other metrics are offered where they are learned.

    Args:
        workspace: whose corpus and metrics.
        own_first: a video with sound; empty for the corpus alone.
        own_second: the same words by the same person in another emotion.

    Raises:
        SettingsError: if only one own clip is given.
        InputError: if an own clip cannot be used.
    """
    if bool(own_first) != bool(own_second):
        raise SettingsError(
            "own_first and own_second belong together: give two clips of the same words, or none"
        )
    scale = workspace.scale
    corpus, faces = stages.make_corpus(workspace), stages.make_faces(workspace)
    source = corpus_clips(corpus, faces, stages.make_pairs(workspace), scale.pairing)

    def open_own(first: Path, second: Path) -> ClipSource:
        keep = workspace.stage_folder(OWN_FOLDER)
        return own_clips(first, second, keep, scale.face.face_size, scale.pairing)

    explorer = CorrelationExplorer(
        {workspace.corpus: source}, _metrics(workspace), open_own_clips=open_own
    )
    if own_first:
        explorer.load_own_clips(Path(own_first), Path(own_second))
    return explorer


def _metrics(workspace: Workspace) -> dict[str, MetricLoader]:
    """Loaders of the spatial metric, learned if it is missing, and of those that are learned."""
    load = partial(stages.load_spatial_metric, workspace, SEED)
    loaders: dict[str, MetricLoader] = {
        "raw": load,
        "spatial_before": partial(_untrained, workspace),
        "spatial": load,
        "spatial_speech": partial(load, speech=True),
        "audio_visual": partial(stages.load_cross_modal_metric, workspace, "expression", SEED),
    }
    for name in ("temporal_vd", "temporal_cm"):
        loaders[name] = partial(stages.load_temporal_metric, workspace, name, SEED)
    learned = {"audio_visual": ("cross_modal", "expression", "joint")}

    def there(name: str) -> bool:
        folder = workspace.stage_folder(*learned.get(name, (name,)), f"seed{SEED}")
        return any(folder.glob("*.safetensors")) and (folder / RECORD_NAME).exists()

    always = ("raw", "spatial_before", "spatial")
    return {name: loader for name, loader in loaders.items() if name in always or there(name)}


def _untrained(workspace: Workspace) -> SpatialCoherence:
    """The spatial metric as its learning starts, with statistics of the frames it learns from."""
    corpus = stages.make_corpus(workspace)
    frames = frame_pairs_of_role(
        stages.make_faces(workspace), stages.make_pairs(workspace), corpus.roles, "train"
    )
    settings = workspace.scale.spatial
    return untrained_metric(frames, settings, seed=SEED, device=workspace.device).supervise()
