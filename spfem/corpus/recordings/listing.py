"""The stage that lists recordings for a workspace: looked through once, then read back."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from spfem.corpus.clips import Corpus
from spfem.corpus.corpus_list import LIST_NAME, read_list, save_list
from spfem.corpus.recordings.survey import survey_content
from spfem.corpus.recordings.walk import walk_folder
from spfem.errors import CorpusError, SettingsError
from spfem.opened_stages import RECORD_NAME, open_stage


def list_recordings(root: Path, folder: Path) -> Corpus:
    """The corpus of a folder of recordings, listed in `corpus.json` of the stage folder.

    The recordings are only read. They are looked through anew when a name, size or time differs
    from the last run; within one run of Python they are walked once.

    Args:
        root: the recordings.
        folder: of the stage.

    Raises:
        CorpusError: if the folder's layout is not known, or no clip can be used.
        SettingsError: if the stage folder belongs to another folder of recordings.
        ArtifactError: as `open_stage`.
    """
    record = folder / RECORD_NAME
    stamp = record.stat().st_mtime_ns if record.exists() else 0
    return _list_recordings(root.resolve(), folder, stamp)


@lru_cache(maxsize=4)
def _list_recordings(root: Path, folder: Path, _stamp: int) -> Corpus:
    _check_owner(root, folder)
    content = walk_folder(root)
    stage = open_stage(
        folder,
        "corpus",
        settings={"root": str(root)},
        inputs={"files": content.digest()},
        code=(_list_recordings,),
    )
    if not stage.complete:
        survey = survey_content(content)
        save_list(survey.corpus(), folder)
        left_out = sum(not one.used for one in survey.damaged)
        stage.finish(kind=survey.kind, clips=len(survey.clips), damaged=left_out)
    return read_list(folder / LIST_NAME)


def _check_owner(root: Path, folder: Path) -> None:
    """Refuse to overwrite the results of another folder that has the same name."""
    try:
        owner = read_list(folder / LIST_NAME).root
    except CorpusError:
        return
    if owner != root and owner.is_dir():
        raise SettingsError(
            f"{folder.parent} holds the results of {owner}, not of {root}; rename one of the two "
            "folders of recordings, or choose another --data folder"
        )
