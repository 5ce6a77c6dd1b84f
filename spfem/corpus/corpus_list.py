"""The file `corpus.json` that lists a corpus.

The embedded corpus lies in MEAD's folder layout, beside its list. Recordings may lie in any
layout elsewhere; then the list names the folder and every file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from spfem.artifacts import write_json
from spfem.corpus.clips import Clip, Corpus, check_list, clip_order, whole
from spfem.corpus.damage import damage_rows, read_damage
from spfem.errors import CorpusError

LIST_NAME = "corpus.json"


def save_corpus(
    root: Path,
    name: str,
    fps: int,
    clips: Iterable[Clip],
    roles: Mapping[str, str],
    digest: str,
) -> Corpus:
    """Write `corpus.json` for clips whose files lie below `root`; return the open corpus.

    Raises:
        CorpusError: if the list contradicts itself or a file is missing.
    """
    clips = tuple(clips)
    check_list(root, clips, roles)
    rows = [_row(clip) for clip in sorted(clips, key=clip_order)]
    value = {"name": name, "fps": fps, "roles": dict(roles), "digest": digest, "clips": rows}
    write_json(root / LIST_NAME, value)
    return open_corpus(root)


def save_list(corpus: Corpus, folder: Path) -> None:
    """Write the `corpus.json` of recordings into another folder; `corpus.root` stays untouched.

    Raises:
        CorpusError: if the list contradicts itself.
    """
    check_list(corpus.root, corpus.clips, corpus.roles)
    value = {
        "name": corpus.name,
        "root": str(corpus.root),
        "fps": corpus.fps if isinstance(corpus.fps, int) else str(corpus.fps),
        "roles": dict(corpus.roles),
        "digest": corpus.digest,
        "clips": [_row(clip) for clip in sorted(corpus.clips, key=clip_order)],
        "damaged": damage_rows(corpus.damaged),
    }
    write_json(folder / LIST_NAME, value)


def _row(clip: Clip) -> dict[str, Any]:
    facts = {
        "actor": clip.actor,
        "emotion": clip.emotion,
        "level": clip.level,
        "number": clip.number,
        "sentence": clip.sentence,
    }
    files = {"video": clip.video_file, "audio": clip.audio_file}
    return facts | {
        name: path.relative_to(clip.root).as_posix() for name, path in files.items() if path
    }


def _clip(root: Path, row: Mapping[str, Any]) -> Clip:
    return Clip(
        root=root,
        actor=str(row["actor"]),
        emotion=str(row["emotion"]),
        level=int(row["level"]),
        number=str(row["number"]),
        sentence=str(row["sentence"]),
        video_file=root / row["video"] if row.get("video") else None,
        audio_file=root / row["audio"] if row.get("audio") else None,
    )


def read_list(listing: Path) -> Corpus:
    """Read a `corpus.json` without looking for the files that it names.

    Raises:
        CorpusError: if the list is missing, damaged or contradicts itself.
    """
    if not listing.is_file():
        raise CorpusError(
            f"{listing.parent} is not a corpus (it has no {listing.name}); build or choose one"
        )
    try:
        value = json.loads(listing.read_text(encoding="utf-8"))
        root = Path(value.get("root", listing.parent))
        corpus = Corpus(
            root=root,
            name=str(value["name"]),
            fps=whole(Fraction(value["fps"])),
            clips=tuple(sorted((_clip(root, row) for row in value["clips"]), key=clip_order)),
            roles={str(actor): str(role) for actor, role in value["roles"].items()},
            digest=str(value["digest"]),
            damaged=read_damage(value.get("damaged", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise CorpusError(
            f"{listing} is damaged ({type(error).__name__}: {error}); build the corpus again"
        ) from None
    check_list(root, corpus.clips, corpus.roles)
    return corpus


def open_corpus(root: Path | str) -> Corpus:
    """Open a corpus folder and check that every listed video and audio file is there.

    Raises:
        CorpusError: if `root` is not a corpus, its list is damaged, or files are missing or empty.
    """
    corpus = read_list(Path(root) / LIST_NAME)
    for clip in corpus.clips:
        for file in (clip.video, clip.audio):
            if not file.exists() or (file.is_file() and file.stat().st_size == 0):
                raise CorpusError(f"{file} is missing or empty; build the corpus again")
    return corpus
