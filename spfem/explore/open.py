"""Open the explorer on a workspace, or on the user's own clips."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from spfem import stages
from spfem.errors import SettingsError
from spfem.explore.clips import ClipSource
from spfem.explore.corpus_clips import CorpusClips
from spfem.explore.explorer import OWN_CLIPS, CorrelationExplorer
from spfem.explore.own_clips import OwnClips
from spfem.explore.workspace_metrics import workspace_metrics
from spfem.workspace import Workspace

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
    corpus = CorpusClips(
        stages.make_corpus(workspace),
        stages.make_faces(workspace),
        stages.make_pairs(workspace),
        workspace.scale.pairing,
    )
    explorer = _open({workspace.corpus: corpus}, workspace)
    if own_first:
        explorer.load_own_clips(Path(own_first), Path(own_second))
    return explorer


def explore_files(
    first: Path | str, second: Path | str, workspace: Workspace
) -> CorrelationExplorer:
    """Explore two own video files with the metrics of a workspace.

    Args:
        first: a video with sound, of one face.
        second: the same words in another emotion; any size and frame rate.
        workspace: whose metrics; keeps the tracks of the clips.

    Raises:
        FaceNotFoundError: if a file shows no face.
        InputError: if a file cannot be read, has no sound, is too short or too long.
    """
    return _open({OWN_CLIPS: _own_clips(workspace, Path(first), Path(second))}, workspace)


def _open(sources: dict[str, ClipSource], workspace: Workspace) -> CorrelationExplorer:
    return CorrelationExplorer(
        sources, workspace_metrics(workspace), open_own_clips=partial(_own_clips, workspace)
    )


def _own_clips(workspace: Workspace, first: Path, second: Path) -> OwnClips:
    scale = workspace.scale
    folder = workspace.stage_folder(OWN_FOLDER)
    return OwnClips(first, second, folder, scale.face.face_size, scale.pairing)
