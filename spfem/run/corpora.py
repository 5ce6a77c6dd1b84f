"""Which corpus a run uses, and the stages that film the embedded one or list recordings."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from spfem.corpus.clips import LIST_NAME, Corpus, open_corpus, read_list, save_list
from spfem.corpus.folder import walk_folder
from spfem.corpus.survey import survey_folder
from spfem.errors import CorpusError, SettingsError
from spfem.files import file_digest
from spfem.run.artifacts import RECORD_NAME, open_stage
from spfem.settings import CorpusSettings

EMBEDDED = "synthetic"
CORPORA = (EMBEDDED, "mead", "ravdess")


def choose_corpus(corpus: str, data: Path, base: Path) -> tuple[str, Path | None]:
    """Name in folders of results, and recordings (None: embedded), of what `--corpus` means.

    Args:
        corpus: `synthetic`; `mead` or `ravdess` for that folder below `data`; or any folder with
            recordings, whose own name then names the results.
        data: folder of generated data.
        base: what relative folders are relative to.

    Raises:
        SettingsError: if it is neither, or a folder whose name is taken.
    """
    if corpus == EMBEDDED:
        return corpus, None
    folder = data / corpus if corpus in CORPORA else base / Path(corpus).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            f"corpus {corpus!r} is unknown: there is no folder {folder}; give "
            f"{', '.join(CORPORA)} or a folder with recordings"
        )
    name = corpus if corpus in CORPORA else re.sub(r"[^\w.]+", "-", folder.resolve().name.lower())
    name = name.strip("-._")
    if not name or name == EMBEDDED:
        raise SettingsError(
            f"corpus {corpus!r}: the folder's name would name the results, and "
            f"{name or 'an empty name'!r} cannot; rename the folder"
        )
    return name, folder.resolve()


def build_synthetic_corpus(root: Path, settings: CorpusSettings) -> Corpus:
    """The embedded corpus in `root`: filmed, or opened if it is there with the same settings.

    A killed run continues at the next clip, see `spfem.studio.build.film_corpus`.

    Raises:
        ArtifactError: if `root` holds files that no stage made.
        SettingsError: if there are not enough sentences.
    """
    from spfem.head.model import HEAD_FILE as EMBEDDING_PATH
    from spfem.studio.build import film_corpus

    stage = open_stage(
        root,
        "corpus",
        settings=replace(settings, processes=1),  # how many does not change the result
        inputs={"landmarks": file_digest(EMBEDDING_PATH)},
        code=(build_synthetic_corpus,),
    )
    if stage.complete:
        return open_corpus(root)
    corpus, frames = film_corpus(root, settings)
    stage.finish(clips=len(corpus.clips), frames=frames)
    return corpus


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
    try:
        owner = read_list(folder / LIST_NAME).root
    except CorpusError:
        owner = root
    if owner != root and owner.is_dir():
        raise SettingsError(
            f"{folder.parent} holds the results of {owner}, not of {root}; rename one of the two "
            "folders of recordings, or choose another --data folder"
        )
    content = walk_folder(root)
    stage = open_stage(
        folder,
        "corpus",
        settings={"root": str(root)},
        inputs={"files": content.digest()},
        code=(_list_recordings,),
    )
    if not stage.complete:
        survey = survey_folder(content)
        save_list(survey.corpus(), folder)
        left_out = sum(not one.used for one in survey.damaged)
        stage.finish(kind=survey.kind, clips=len(survey.clips), damaged=left_out)
    return read_list(folder / LIST_NAME)
