"""What is found in a folder of recordings.

One walk finds its files, folders of numbered pictures, and what is odd there; a layout
(`spfem.corpus.layouts`) makes clips of them.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spfem.corpus.clips import Clip, DamagedClip
from spfem.errors import CorpusError
from spfem.files import digest
from spfem.media.container import (
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
    """A folder of numbered pictures, which stands for a video."""

    path: str  # as the system spells it
    first: int  # lowest and highest number
    last: int
    count: int = 0  # of pictures
    size: int = 0  # of all together, in bytes


@dataclass
class FolderContent:
    """What a walk found; paths are relative, with `/`, in Unicode's composed form (NFC)."""

    root: Path  # the folder
    # all but numbered pictures and what is ignored
    files: dict[str, FoundFile] = field(default_factory=dict)
    # the folders of numbered pictures
    pictures: dict[str, PictureFolder] = field(default_factory=dict)
    # loops, dead links, folders that cannot be read, names that are no text
    damaged: list[DamagedClip] = field(default_factory=list)
    ignored: int = 0  # hidden and unfinished files that were passed over

    def digest(self) -> str:
        """Digest of names, sizes and times, which tells whether to look closer again."""
        files = [[name, found.size, found.modified_ns] for name, found in self.files.items()]
        folders = [[name, found.count, found.size] for name, found in self.pictures.items()]
        return digest([sorted(files), sorted(folders)])

    def complain(self, path: str, reason: str, details: str) -> None:
        """Note that something is wrong with a path, which may be no text."""
        shown = compose(path).encode("utf-8", "replace").decode()
        self.damaged.append(DamagedClip(shown, reason, details))

    def locate(self, name: str) -> Path:
        """The file or folder of pictures `name` as this system spells it."""
        found: Mapping[str, FoundFile | PictureFolder] = (
            self.files if name in self.files else self.pictures
        )
        return self.root / found[name].path

    def clip(
        self,
        actor: str,
        emotion: str,
        level: int,
        number: str,
        sentence: str,
        video: str,
        audio: str | None = None,
    ) -> Clip:
        """A clip of files by their names here; without `audio` the sound lies in the video."""
        files = self.locate(video), self.locate(audio) if audio else None
        return Clip(self.root, actor, emotion, level, number, sentence, *files)


def compose(name: str) -> str:
    """The composed form of a name: macOS stores some letters as two characters."""
    return unicodedata.normalize("NFC", name)


def name_in(root: Path, path: Path) -> str:
    """Name of a file below a folder: relative, with `/`, composed."""
    return compose(path.relative_to(root).as_posix())


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
                content.complain(folder, "link loop", f"leads to {where}; remove the link")
                continue
            seen[identity] = folder
            with os.scandir(root / folder) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise CorpusError(f"{root} cannot be read ({error.strerror})") from None
            content.complain(folder, "unreadable", f"{error.strerror}; check the permissions")
            continue
        for entry in children:
            _note(content, folder, entry, real, linked)
    return content


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
        content.complain(path, "name is no text", "not UTF-8; rename it")
        return
    media = suffix in (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)
    try:
        if entry.is_dir():
            (linked if entry.is_symlink() else real).append(path)
            if media:
                content.complain(path, "folder in place of a file", "copy the file again")
        elif entry.is_file():
            status = entry.stat()
            if suffix in PICTURE_SUFFIXES and name[: -len(suffix)].isdecimal():
                number = int(name[: -len(suffix)])
                start = PictureFolder(folder, number, number)
                known = content.pictures.setdefault(compose(folder), start)
                known.first, known.last = min(known.first, number), max(known.last, number)
                known.count += 1
                known.size += status.st_size
            elif compose(path) in content.files:
                details = "another file has this name, spelt in other bytes"
                content.complain(path, "duplicate", details)
            else:
                found = FoundFile(status.st_size, status.st_mtime_ns, path)
                content.files[compose(path)] = found
        elif entry.is_symlink():
            content.complain(path, "dead link", f"leads to {os.readlink(entry.path)}")
        elif media:
            content.complain(path, "unreadable", "neither file nor folder")
    except OSError as error:
        content.complain(path, "unreadable", f"{error.strerror}; check disk and permissions")


@dataclass
class FoundClips:
    """All clips of a layout."""

    clips: list[Clip] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)  # of actors, where the folder says it
    unused: Counter[str] = field(default_factory=Counter)  # why files are not used -> how many
    # files that belong to no clip, duplicates and the like
    damaged: list[DamagedClip] = field(default_factory=list)

    def complain(self, path: str, reason: str, details: str) -> None:
        """Note that a file cannot be used."""
        self.damaged.append(DamagedClip(path, reason, details))

    def drop_duplicates(self) -> FoundClips:
        """Keep the first clip of a key; the others become damaged."""
        first: dict[tuple[str, str, str], Clip] = {}
        for clip in self.clips:
            # pairs are named by numbers alone, so a number counts once within actor and emotion
            key = clip.actor, clip.emotion, clip.number
            if first.setdefault(key, clip) is not clip:
                other = name_in(clip.root, first[key].video)
                details = f"the same clip as {other}; remove one of them"
                self.complain(name_in(clip.root, clip.video), "duplicate", details)
        self.clips = list(first.values())
        return self
