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
from spfem.settings import EMOTIONS


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


@dataclass(frozen=True)
class FoundClip:
    """A clip of a folder; the first five fields are those of `Clip`."""

    actor: str
    emotion: str
    level: int
    number: str
    sentence: str
    video: str  # path of the video or of a folder of pictures, relative to the corpus
    audio: str | None = None  # path of the sound; None if it lies inside the video
    role: str | None = None  # of the actor, where the corpus itself says it

    @property
    def key(self) -> str:
        """As `Clip.key`."""
        return f"{self.actor}/{self.emotion}/level_{self.level}/{self.number}"

    def opened(self, root: Path) -> Clip:
        """The clip of a corpus in `root`."""
        files = root / self.video, root / self.audio if self.audio else None
        return Clip(root, self.actor, self.emotion, self.level, self.number, self.sentence, *files)

    @property
    def order(self) -> tuple[str, int, int, str]:
        """What clips are sorted by."""
        return self.actor, EMOTIONS.index(self.emotion), self.level, self.number


@dataclass
class FoundClips:
    """All clips of a layout."""

    clips: list[FoundClip] = field(default_factory=list)  # each key once
    unused: Counter[str] = field(default_factory=Counter)  # why files are not used -> how many
    # files that belong to no clip, duplicates and the like
    damaged: list[DamagedClip] = field(default_factory=list)

    def complain(self, path: str, reason: str, details: str) -> None:
        """Note that a file cannot be used."""
        self.damaged.append(DamagedClip(path, reason, details))

    def drop_duplicates(self) -> FoundClips:
        """Keep the first clip of a key; the others become damaged."""
        first: dict[tuple[str, str, str], FoundClip] = {}
        for clip in self.clips:
            # pairs are named by numbers alone, so a number counts once within actor and emotion
            key = clip.actor, clip.emotion, clip.number
            if first.setdefault(key, clip) is not clip:
                details = f"the same clip as {first[key].video}; remove one of them"
                self.complain(clip.video, "duplicate", details)
        self.clips = list(first.values())
        return self
