"""Any folder with a table `clips.csv`: clip, actor, emotion, sentence, path."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from spfem.corpus.clips import ROLES
from spfem.corpus.damage import DamagedClip
from spfem.corpus.recordings.found import EMOTION_OF, FoundClip, FoundClips
from spfem.corpus.recordings.walk import FolderContent, compose
from spfem.errors import CorpusError
from spfem.media.names import VIDEO_SUFFIXES, suffix_of
from spfem.settings import EMOTIONS
from spfem.spreadsheet import parse_rows, read_text

TABLE_NAME = "clips.csv"
COLUMNS = ("clip", "actor", "emotion", "sentence", "path")
OPTIONAL_COLUMNS = ("level", "audio", "role")


class _BadRowError(Exception):
    """Reason and details of a row that cannot be used."""


def find_listed_in_table(content: FolderContent) -> FoundClips:
    """Clips of the table; videos that it does not name are counted as unused.

    Columns: `clip` is a name of the clip, once within actor and emotion; `sentence` is any text
    that is equal for equal words; `path` and the optional `audio` are relative to the table.
    `level` defaults to 1 for neutral and 3 for the others; `role` is train, held_out or target.

    Raises:
        CorpusError: if the table cannot be read, has no such columns or gives an actor two roles.
    """
    path = content.root / TABLE_NAME
    found = FoundClips()
    roles: dict[str, str] = {}
    for number, row in enumerate(_read_rows(path), 2):
        place = f"{TABLE_NAME} line {number}"
        try:
            clip = _clip_of(row, content)
        except _BadRowError as error:
            found.damaged.append(DamagedClip(place, *error.args))
            continue
        if clip.role is not None and roles.setdefault(clip.actor, clip.role) != clip.role:
            raise CorpusError(
                f"{path} line {number}: actor {clip.actor} has the role {clip.role!r} here and "
                f"{roles[clip.actor]!r} above; give each actor one role"
            )
        found.clips.append(clip)
    named = {clip.video for clip in found.clips} | {clip.audio for clip in found.clips}
    spare = sum(suffix_of(name) in VIDEO_SUFFIXES and name not in named for name in content.files)
    if spare:
        found.unused[f"videos that {TABLE_NAME} does not name"] = spare
    return found.drop_duplicates()


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        rows = parse_rows(read_text(path))
    except (OSError, UnicodeError, csv.Error) as error:
        raise CorpusError(
            f"{path} cannot be read as a table ({error}); save it as UTF-8 with commas"
        ) from None
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise CorpusError(
            f"{path} has no column {', '.join(missing)}; its first line must name "
            f"{', '.join(COLUMNS)} (optional: {', '.join(OPTIONAL_COLUMNS)})"
        )
    return [{key: (value or "").strip() for key, value in row.items() if key} for row in rows]


def _clip_of(row: Mapping[str, str], content: FolderContent) -> FoundClip:
    values = {name: compose(row[name]) for name in COLUMNS}
    for name in COLUMNS:
        if not values[name]:
            raise _BadRowError("empty cell", f"column {name} is empty")
    for name in ("clip", "actor"):  # they become names of files
        if values[name].startswith(".") or any(mark in values[name] for mark in "/\\\0"):
            raise _BadRowError(
                "bad name", f"{name} {values[name]!r} starts with a dot or has a slash"
            )
    emotion = EMOTION_OF.get(values["emotion"].lower())
    if emotion is None:
        known = ", ".join(EMOTIONS)
        raise _BadRowError("unknown emotion", f"{values['emotion']!r}; choose one of {known}")
    role = row.get("role") or None
    if role is not None and role not in ROLES:
        raise _BadRowError("unknown role", f"{role!r}; choose one of {', '.join(ROLES)}")
    level = row.get("level") or ("1" if emotion == EMOTIONS[0] else "3")
    if level not in ("1", "2", "3"):
        raise _BadRowError("bad level", f"{level!r}; give 1, 2 or 3")
    return FoundClip(
        actor=values["actor"],
        emotion=emotion,
        level=int(level),
        number=values["clip"],
        sentence=values["sentence"],
        video=_inside(values["path"], content),
        audio=_inside(compose(row["audio"]), content) if row.get("audio") else None,
        role=role,
    )


def _inside(text: str, content: FolderContent) -> str:
    """Name of a file in the corpus from a path in the table."""
    path = os.path.normpath(text.replace("\\", "/"))
    if os.path.isabs(path):
        path = _below(path, content.root)
    if path.startswith(".."):
        raise _BadRowError(
            "path outside", f"{text} leaves the corpus; move or link the file into it"
        )
    if path not in content.files and path not in content.pictures:
        raise _BadRowError("missing", f"{text} is not there; correct the path or copy the file")
    return path


def _below(path: str, root: Path) -> str:
    """An absolute path relative to the root, where either may be written through links."""
    for one, other in ((Path(path), root.absolute()), (Path(path).resolve(), root.resolve())):
        if one.is_relative_to(other):
            return one.relative_to(other).as_posix()
    return os.path.relpath(path, root.absolute())
