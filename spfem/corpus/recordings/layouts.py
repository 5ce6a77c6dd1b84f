"""Which layout a folder has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spfem.corpus.corpus_list import LIST_NAME
from spfem.corpus.recordings.asccl import find_asccl
from spfem.corpus.recordings.found import FoundClips
from spfem.corpus.recordings.listed import find_listed
from spfem.corpus.recordings.mead import find_mead
from spfem.corpus.recordings.ravdess import find_ravdess
from spfem.corpus.recordings.table import COLUMNS, TABLE_NAME, find_listed_in_table
from spfem.corpus.recordings.walk import FolderContent
from spfem.errors import CorpusError
from spfem.media.names import VIDEO_SUFFIXES, suffix_of

BY_NAMES: Mapping[str, Callable[[FolderContent], FoundClips]] = {
    "mead": find_mead,
    "ravdess": find_ravdess,
    "asccl": find_asccl,
}


def find_clips(content: FolderContent) -> tuple[str, FoundClips]:
    """The kind of a folder and its clips.

    A table or a list in the folder decides; without them, the layout that explains most clips.

    Raises:
        CorpusError: if no layout finds a clip, or table or list are damaged.
    """
    if TABLE_NAME in content.files:
        return "table", find_listed_in_table(content)
    if LIST_NAME in content.files:
        return "list", find_listed(content)
    answers = {kind: find(content) for kind, find in BY_NAMES.items()}
    kind = max(answers, key=lambda name: (len(answers[name].clips), len(answers[name].damaged)))
    if not answers[kind].clips and not answers[kind].damaged:
        videos = sum(suffix_of(name) in VIDEO_SUFFIXES for name in content.files)
        raise CorpusError(
            f"{content.root} is laid out neither like MEAD (<actor>/video/front/<emotion>/level_3/"
            "001.mp4) nor like RAVDESS (Actor_01/01-01-05-02-01-01-01.mp4) nor like ASCCL's "
            f"processed data (<actor>/img/<emotion>/001/), and has no table {TABLE_NAME}; "
            f"{videos} videos were seen. For own clips write {TABLE_NAME} into the folder, with "
            f"the columns {', '.join(COLUMNS)}"
        )
    return kind, answers[kind]
