"""Open the explorer on a workspace."""

from __future__ import annotations

from pathlib import Path

from spfem import stages
from spfem.errors import SettingsError
from spfem.explore.clips import ClipSource
from spfem.explore.corpus_clips import corpus_clips
from spfem.explore.explorer import CorrelationExplorer
from spfem.explore.own_clips import own_clips
from spfem.stages.metric_loaders import metric_loaders
from spfem.workspace import Workspace

OWN_FOLDER = "own"  # of tracks, which edits of own clips use as well


def explore_corpus(
    workspace: Workspace, *, own_first: Path | str = "", own_second: Path | str = ""
) -> CorrelationExplorer:
    """Explore the clips of a workspace's corpus, and two own clips beside them.

    Corpus, faces, pairs and the spatial metric are made where they are missing; other metrics are
    offered where they are learned. Own clips have sound and say the same words.

    Raises:
        SettingsError: if only one own clip is given.
        InputError: if an own clip cannot be used.
    """
    if bool(own_first) != bool(own_second):
        raise SettingsError(
            "own_first and own_second belong together: give two clips of the same words, or none"
        )
    scale, keep = workspace.scale, workspace.stage_folder(OWN_FOLDER)
    corpus, faces = stages.make_corpus(workspace), stages.make_faces(workspace)
    source = corpus_clips(corpus, faces, stages.make_pairs(workspace), scale.pairing)

    def open_own(first: Path, second: Path) -> ClipSource:
        return own_clips(first, second, keep, scale.face.face_size, scale.pairing)

    explorer = CorrelationExplorer(
        {workspace.corpus: source}, metric_loaders(workspace), open_own_clips=open_own
    )
    if own_first:
        explorer.load_own_clips(Path(own_first), Path(own_second))
    return explorer
