"""Whether the parts of an mp4 file are all there, read from their sizes without decoding.

What a layout makes of a folder's files: clips, and what it does not use.

One walk over a folder: its files, its folders of numbered pictures, and what is odd there.
"""

from __future__ import annotations

import os
import struct
import unicodedata
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spfem.corpus.clips import DamagedClip
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

MP4_SUFFIXES = (".mp4", ".m4v", ".m4a", ".mov")
FIRST_BOXES = ("ftyp", "moov", "mdat", "free", "skip", "wide", "styp")
NEEDED = {"moov": "index", "mdat": "content"}
MOST_NAMES = 64  # no real file has so many kinds of boxes
_LONG_SIZE = 1  # the size follows the name, in eight bytes
_REST_OF_FILE = 0


def why_cut_off(path: Path) -> str:
    """What is missing of an mp4 file, such as a download that broke off; empty if nothing is.

    A file is a row of boxes, each with its size and a name of four letters; it needs
    those of `NEEDED`. Source: ISO/IEC 14496-12, section 4.2.

    Raises:
        OSError: if the file cannot be read.
    """
    names, place = set[str](), 0
    with path.open("rb") as file:
        end = file.seek(0, 2)
        while place < end and len(names) < MOST_NAMES:
            file.seek(place)
            head = file.read(16)
            if len(head) < 8:
                break
            size, name = struct.unpack(">I4s", head[:8])
            if size == _LONG_SIZE:
                size = struct.unpack(">Q", head[8:])[0] if len(head) == 16 else 0
            elif size == _REST_OF_FILE:
                size = end - place
            text = name.decode("latin-1")
            if not names and text not in FIRST_BOXES:
                return ""  # another format under this name, which FFmpeg may know
            names.add(text)
            if size < 8:
                break  # bytes that belong to no box, which players pass over
            place += size
            if place > end:
                return f"{place - end} of {place} bytes are missing"
    missing = [f"its {what} ({name})" for name, what in NEEDED.items() if name not in names]
    return f"{' and '.join(missing)} is missing" if missing else ""


SYNONYMS = {
    "neutral": ("neutral", "neutrality"),
    "angry": ("angry", "anger"),
    "disgusted": ("disgusted", "disgust"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "happy": ("happy", "happiness", "joy"),
    "sad": ("sad", "sadness"),
    "surprised": ("surprised", "surprise"),
}
EMOTION_OF = {word: emotion for emotion in EMOTIONS for word in SYNONYMS[emotion]}


@dataclass(frozen=True)
class FoundClip:
    """A clip of a folder; the first five fields are those of `Clip`.

    Attributes:
        video: path of the video or of a folder of pictures, relative to the corpus.
        audio: path of the sound; None if it lies inside the video.
        role: of the actor, where the corpus itself says it.
    """

    actor: str
    emotion: str
    level: int
    number: str
    sentence: str
    video: str
    audio: str | None = None
    role: str | None = None

    @property
    def key(self) -> str:
        """As `Clip.key`."""
        return f"{self.actor}/{self.emotion}/level_{self.level}/{self.number}"

    @property
    def order(self) -> tuple[str, int, int, str]:
        """What clips are sorted by."""
        return self.actor, EMOTIONS.index(self.emotion), self.level, self.number


@dataclass
class FoundClips:
    """All clips of a layout.

    Attributes:
        clips: each key once.
        unused: why files are not used -> how many.
        damaged: files that belong to no clip, duplicates and the like.
    """

    clips: list[FoundClip] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    damaged: list[DamagedClip] = field(default_factory=list)

    def drop_duplicates(self) -> FoundClips:
        """Keep the first clip of a key; the others become damaged."""
        first: dict[tuple[str, str, str], FoundClip] = {}
        for clip in self.clips:
            # pairs are named by numbers alone, so a number counts once within actor and emotion
            key = clip.actor, clip.emotion, clip.number
            if first.setdefault(key, clip) is not clip:
                details = f"the same clip as {first[key].video}; remove one of them"
                self.damaged.append(DamagedClip(clip.video, "duplicate", details))
        self.clips = list(first.values())
        return self


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
