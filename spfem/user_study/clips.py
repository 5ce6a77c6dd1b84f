"""The videos of a study: for each clip one result a method, and what it was made from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spfem.errors import InputError
from spfem.media.names import VIDEO_SUFFIXES, is_ignored, suffix_of
from spfem.settings import EMOTIONS

SOURCE, REFERENCE = "source", "reference"
EDIT = re.compile(r"(?:intra|cross)-(?P<actor>\w+)-(?P<emotion>\w+)-(?P<number>\d+)-as-\w+")
WANTED = re.compile(rf"-as-({'|'.join(EMOTIONS)})$")


@dataclass(frozen=True)
class StudyClip:
    """One clip that every method edited.

    Attributes:
        name: file name without suffix.
        emotion: wanted one, from a name that ends in `-as-<emotion>`; empty if unknown.
        videos: result by method.
        source: the unedited video, if there is one.
        reference: the video whose expression was to be taken over, if there is one.
    """

    name: str
    emotion: str
    videos: dict[str, Path]
    source: Path | None
    reference: Path | None


def find_clips(words: Sequence[str]) -> list[StudyClip]:
    """The clips that every method has.

    Args:
        words: one `DIR` or `NAME=DIR` for each method, with videos of the same names; the names
            `source` and `reference` stand for what the results were made from. Or a single folder
            that holds such folders, or the data of a run (`data/<corpus>-<scale>`, first seed).

    Raises:
        InputError: if fewer than two methods or no common clip is found.
    """
    folders = _folders(words)
    videos = {name: _videos(folder) for name, folder in folders.items()}
    methods = [name for name in videos if name not in (SOURCE, REFERENCE)]
    if len(methods) < 2:
        raise InputError(f"a comparison needs two methods or more, found {methods or 'none'}")
    shared = set.intersection(*(set(videos[name]) for name in methods))
    if not shared:
        raise InputError(f"no video has the same name in all of {', '.join(methods)}")
    sources = videos.get(SOURCE) or _sources_of_run(words, shared)
    return [
        StudyClip(
            name,
            found[1] if (found := WANTED.search(name)) else "",
            {method: videos[method][name] for method in methods},
            sources.get(name),
            videos.get(REFERENCE, {}).get(name),
        )
        for name in sorted(shared)
    ]


def _folders(words: Sequence[str]) -> dict[str, Path]:
    if len(words) == 1 and "=" not in words[0]:
        root = Path(words[0])
        inside = root / "edits" if (root / "edits").is_dir() else root
        names = [path for path in sorted(inside.glob("*")) if path.is_dir()]
        folders = {path.name: _first_seed(path) for path in names}
        return {name: folder for name, folder in folders.items() if _videos(folder)}
    folders = {}
    for word in words:
        name, equals, folder = word.partition("=")
        path = Path(folder if equals else word)
        name = name if equals else path.name
        if not path.is_dir():
            raise InputError(f"--clips {word}: {path} is no folder")
        if name in folders:
            raise InputError(f"--clips {word}: two folders are named {name}; use NAME=DIR")
        folders[name] = path
    return folders


def _first_seed(folder: Path) -> Path:
    seeds = sorted(folder.glob("seed*"))
    return seeds[0] if seeds else folder


def _videos(folder: Path) -> dict[str, Path]:
    return {
        path.stem: path
        for path in sorted(folder.glob("*"))
        if suffix_of(path.name) in VIDEO_SUFFIXES and not is_ignored(path.name) and path.is_file()
    }


def _sources_of_run(words: Sequence[str], names: set[str]) -> dict[str, Path]:
    """Sources of the edits of a run, in its corpus of MEAD's layout."""
    found = {}
    for name in names:
        if (edit := EDIT.fullmatch(name)) and len(words) == 1:
            emotion, number = edit["emotion"], edit["number"]
            pattern = f"{edit['actor']}/video/front/{emotion}/level_*/{number}.mp4"
            paths = sorted((Path(words[0]) / "corpus").glob(pattern))
            if paths:
                found[name] = paths[0]
    return found
