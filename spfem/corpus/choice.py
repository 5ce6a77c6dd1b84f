"""Which corpus a run uses: the embedded one, a known one below the data folder, or any folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spfem.errors import SettingsError

EMBEDDED = "synthetic"
CORPORA = (EMBEDDED, "mead", "ravdess")


@dataclass(frozen=True)
class CorpusChoice:
    """Name of a corpus in folders of results, and where its recordings lie (None: embedded)."""

    name: str
    recordings: Path | None


def choose_corpus(corpus: str, data: Path, base: Path) -> CorpusChoice:
    """The corpus that `--corpus` means.

    Args:
        corpus: `synthetic`; `mead` or `ravdess` for that folder below `data`; or any folder with
            recordings, whose own name then names the results.
        data: folder of generated data.
        base: what relative folders are relative to.

    Raises:
        SettingsError: if it is neither, or a folder whose name is taken.
    """
    if corpus == EMBEDDED:
        return CorpusChoice(corpus, None)
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
    return CorpusChoice(name, folder.resolve())
