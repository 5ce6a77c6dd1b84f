"""Corpora of recordings, used where they lie and never written to.

`list_recordings` looks through a folder, recognises how it is laid out (MEAD, RAVDESS, the
processed layout of ASCCL, a table `clips.csv`, or a corpus list) and checks every clip.
"""

from spfem.corpus.recordings.listing import list_recordings
from spfem.corpus.recordings.survey import Survey, survey_folder

__all__ = ["Survey", "list_recordings", "survey_folder"]
