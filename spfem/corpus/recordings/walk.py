"""One walk over a folder: its files, its folders of numbered pictures, and what is odd there."""

from __future__ import annotations

import os
import unicodedata
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spfem.artifacts import digest
from spfem.corpus.damage import DamagedClip
from spfem.errors import CorpusError
from spfem.media.names import (
    AUDIO_SUFFIXES,
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    is_ignored,
    suffix_of,
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """Bytes of a file, when it was changed, and its path as the system spells it."""

    size: int
    modified_ns: int
    path: str


@dataclass(slots=True)
class PictureFolder:
    """A folder of numbered pictures, which stands for a video.

    Attributes:
        path: as the system spells it.
        first, last: lowest and highest number.
        count: of pictures.
        size: of all together, in bytes.
    """

    path: str
    first: int
    last: int
    count: int = 0
    size: int = 0


@dataclass
class FolderContent:
    """What a walk found; paths are relative, with `/`, in Unicode's composed form (NFC).

    Attributes:
        root: the folder.
        files: all but numbered pictures and what is ignored.
        pictures: the folders of numbered pictures.
        damaged: loops, dead links, folders that cannot be read, names that are no text.
        ignored: hidden and unfinished files that were passed over.
    """

    root: Path
    files: dict[str, FoundFile] = field(default_factory=dict)
    pictures: dict[str, PictureFolder] = field(default_factory=dict)
    damaged: list[DamagedClip] = field(default_factory=list)
    ignored: int = 0

    def digest(self) -> str:
        """Digest of names, sizes and times, which tells whether to look closer again."""
        files = [[name, found.size, found.modified_ns] for name, found in self.files.items()]
        folders = [[name, found.count, found.size] for name, found in self.pictures.items()]
        return digest([sorted(files), sorted(folders)])

    def locate(self, name: str) -> Path:
        """The file or folder of pictures `name` on this system."""
        found: Mapping[str, FoundFile | PictureFolder] = (
            self.files if name in self.files else self.pictures
        )
        return self.root / found[name].path


def compose(name: str) -> str:
    """The composed form of a name: macOS stores some letters as two characters."""
    return unicodedata.normalize("NFC", name)


def walk_folder(root: Path) -> FolderContent:
    """Look at every file once. Links are followed, real folders first, each folder only once.

    Raises:
        CorpusError: if `root` is no folder that can be read.
    """
    if not root.is_dir():
        raise CorpusError(f"{root} is not a folder; give the folder that holds the recordings")
    content = FolderContent(root)
    seen: dict[tuple[int, int], str] = {}
    real, linked = deque([""]), deque[str]()
    while real or linked:
        folder = real.popleft() if real else linked.popleft()
        try:
            status = os.stat(root / folder)
            identity = status.st_dev, status.st_ino
            if identity in seen:
                where = seen[identity] or "the corpus itself"
                _complain(content, folder, "link loop", f"leads to {where}; remove the link")
                continue
            seen[identity] = folder
            with os.scandir(root / folder) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise CorpusError(f"{root} cannot be read ({error.strerror})") from None
            _complain(content, folder, "unreadable", f"{error.strerror}; check the permissions")
            continue
        for entry in children:
            _note(content, folder, entry, real, linked)
    return content


def _complain(content: FolderContent, path: str, reason: str, details: str) -> None:
    shown = compose(path).encode("utf-8", "replace").decode()
    content.damaged.append(DamagedClip(shown, reason, details))


def _note(
    content: FolderContent,
    folder: str,
    entry: os.DirEntry[str],
    real: deque[str],
    linked: deque[str],
) -> None:
    name = entry.name
    path = f"{folder}/{name}" if folder else name
    suffix = suffix_of(name)
    if is_ignored(name):
        content.ignored += 1
        return
    if any("\udc80" <= letter <= "\udcff" for letter in name):
        _complain(content, path, "name is no text", "not UTF-8; rename it")
        return
    media = suffix in (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)
    try:
        if entry.is_dir():
            (linked if entry.is_symlink() else real).append(path)
            if media:
                _complain(content, path, "folder in place of a file", "copy the file again")
        elif entry.is_file():
            status = entry.stat()
            if suffix in PICTURE_SUFFIXES and name[: -len(suffix)].isdecimal():
                _note_picture(content, folder, int(name[: -len(suffix)]), status.st_size)
            else:
                found = FoundFile(status.st_size, status.st_mtime_ns, path)
                _add_file(content, compose(path), found)
        elif entry.is_symlink():
            _complain(content, path, "dead link", f"leads to {os.readlink(entry.path)}")
        elif media:
            _complain(content, path, "unreadable", "neither file nor folder")
    except OSError as error:
        _complain(content, path, "unreadable", f"{error.strerror}; check disk and permissions")


def _add_file(content: FolderContent, name: str, found: FoundFile) -> None:
    if name in content.files:
        _complain(content, name, "duplicate", "another file has this name, spelt in other bytes")
    else:
        content.files[name] = found


def _note_picture(content: FolderContent, folder: str, number: int, size: int) -> None:
    known = content.pictures.setdefault(compose(folder), PictureFolder(folder, number, number))
    known.first, known.last = min(known.first, number), max(known.last, number)
    known.count += 1
    known.size += size
