"""Open the explorer on a workspace."""

from __future__ import annotations

from pathlib import Path

from spfem import stages
from spfem.errors import SettingsError
from spfem.explore.clips import ClipSource
from spfem.explore.corpus_clips import corpus_clips
from spfem.explore.explorer import OWN_CLIPS, CorrelationExplorer
from spfem.explore.own_clips import own_clips
from spfem.project import project_folder
from spfem.settings import FaceSettings, PairingSettings
from spfem.stages.metric_loaders import metric_loaders, shipped_loaders
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


def explore_clips(
    first: Path | str, second: Path | str, *, keep: Path | None = None
) -> CorrelationExplorer:
    """Explore two own clips with the metrics that come with the package; needs no run.

    Args:
        first: a video with sound.
        second: another one, of the same person and words.
        keep: folder of tracks; None for that of edits.

    Raises:
        FaceNotFoundError: if a file shows no face.
        InputError: if a file cannot be read, has no sound, is too short or too long.
    """
    folder = keep or project_folder() / "data" / "cache" / OWN_FOLDER
    face_size, settings = FaceSettings().face_size, PairingSettings()

    def open_own(one: Path, other: Path) -> ClipSource:
        return own_clips(one, other, folder, face_size, settings)

    source = open_own(Path(first), Path(second))
    return CorrelationExplorer({OWN_CLIPS: source}, shipped_loaders(), open_own_clips=open_own)
