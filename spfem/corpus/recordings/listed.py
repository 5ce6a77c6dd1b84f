"""A folder that holds a corpus list already, such as the embedded corpus."""

from __future__ import annotations

from spfem.corpus.corpus_list import LIST_NAME, read_list
from spfem.corpus.damage import DamagedClip
from spfem.corpus.recordings.found import FoundClip, FoundClips
from spfem.corpus.recordings.walk import FolderContent


def find_listed(content: FolderContent) -> FoundClips:
    """Clips of the list; those whose files are gone become damaged.

    Raises:
        CorpusError: if the list is damaged.
    """
    corpus = read_list(content.root / LIST_NAME)
    found = FoundClips()
    for clip in corpus.clips:
        video, audio = (
            path.relative_to(content.root).as_posix() for path in (clip.video, clip.audio)
        )
        gone = [name for name in (video, audio) if name not in content.files]
        if gone:
            details = "is in the list, but not in the folder; copy it again"
            found.damaged.append(DamagedClip(gone[0], "missing", details))
            continue
        role = corpus.roles[clip.actor]
        facts = clip.actor, clip.emotion, clip.level, clip.number, clip.sentence
        found.clips.append(FoundClip(*facts, video, audio, role))
    return found.drop_duplicates()
