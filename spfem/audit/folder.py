"""A folder of published result clips: what belongs to each clip, and what is wrong with it."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from spfem.errors import InputError
from spfem.settings import EMOTIONS
from spfem.spreadsheet import find_delimiter, read_text

LIST_NAME = "clips.csv"
SOURCE, REFERENCE = "source", "reference"
HOW_TO = (
    f"give a folder with {LIST_NAME} (columns clip and panels, such as source|reference|ned|ours; "
    "may have driven_by and emotion_in_name) and <clip>/<panel>.mp4"
)


@dataclass(frozen=True)
class PublishedClip:
    """One edit as its authors show it.

    Attributes:
        name: of the clip.
        driven_by: `reference` or `label`.
        emotion: one of `EMOTIONS`, or empty where it is not known.
        videos: panel -> file; has `source`, may have `reference`, the rest are methods.
    """

    name: str
    driven_by: str
    emotion: str
    videos: Mapping[str, Path]

    @property
    def methods(self) -> tuple[str, ...]:
        """Panels that are results."""
        return tuple(name for name in self.videos if name not in (SOURCE, REFERENCE))


class Problem(NamedTuple):
    """Why a clip, or one panel of it, could not be used."""

    clip: str
    panel: str
    reason: str


def read_published(folder: Path) -> tuple[list[PublishedClip], list[Problem]]:
    """Read the list of a folder and see which files are there.

    Args:
        folder: with `clips.csv` and one sub-folder a clip.

    Returns:
        Clips with a source and at least one method, in the order of the list, and what was left
        out.

    Raises:
        InputError: if there is no list, or it cannot be used.
    """
    table = _read_list(Path(folder))
    clips: list[PublishedClip] = []
    problems: list[Problem] = []
    seen: Counter[str] = Counter()
    for values in table.itertuples(index=False):
        row = dict(zip(table.columns, map(str, values), strict=True))
        name = row["clip"]
        seen[name] += 1
        if seen[name] > 1:
            problems.append(Problem(name, "", "is listed twice; the first row counts"))
            continue
        clip, found = _read_clip(Path(folder), row)
        problems += found
        if clip is not None:
            clips.append(clip)
    return clips, problems


def _read_list(folder: Path) -> pd.DataFrame:
    path = folder / LIST_NAME
    if not path.is_file():
        raise InputError(f"{path} is missing; {HOW_TO}")
    try:
        text = read_text(path)
        table = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, sep=find_delimiter(text)
        )
    except (OSError, ValueError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read as a table ({error}); {HOW_TO}") from error
    if missing := {"clip", "panels"} - set(table.columns):
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}; {HOW_TO}")
    return table.fillna("")


def _read_clip(folder: Path, row: Mapping[str, str]) -> tuple[PublishedClip | None, list[Problem]]:
    name = row["clip"]
    if not _inside(folder / name, folder) or name in ("", "."):
        return None, [Problem(name, "", "lies outside the folder; not opened")]
    problems, videos = [], {}
    for panel in dict.fromkeys(part.strip() for part in row["panels"].split("|")):
        path = folder / name / f"{panel}.mp4"
        if not panel or not _inside(path, folder):
            problems.append(Problem(name, panel, "is no panel inside the folder; not opened"))
        elif not path.is_file():
            problems.append(Problem(name, panel, f"{panel}.mp4 is missing"))
        else:
            videos[panel] = path
    emotion = row.get("emotion_in_name", "").strip().lower()
    if emotion and emotion not in EMOTIONS:
        problems.append(Problem(name, "", f"emotion {emotion!r} is none of {', '.join(EMOTIONS)}"))
        emotion = ""
    driven_by = row.get("driven_by", "") or (REFERENCE if REFERENCE in videos else "label")
    clip = PublishedClip(name, driven_by, emotion, videos)
    if SOURCE not in videos:
        return None, [*problems, Problem(name, "", "has no source to compare with; left out")]
    if not clip.methods:
        return None, [*problems, Problem(name, "", "shows no method; left out")]
    return clip, problems


def _inside(path: Path, folder: Path) -> bool:
    """Whether the path as written stays in the folder; links that the owner made may lead out."""
    written = Path(os.path.normpath(path))
    try:
        path.resolve()
    except (OSError, RuntimeError, ValueError):  # loops of links, names with a zero byte
        return False
    return written.is_relative_to(os.path.normpath(folder))
