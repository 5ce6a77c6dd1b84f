"""What a folder of recordings holds: its clips looked at, what is wrong with them, who is who.

The look is cheap: headers, and one decoded frame a file.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from tqdm.auto import tqdm

from spfem.corpus.clips import Clip, Corpus, DamagedClip, clip_order, whole
from spfem.corpus.folder import FolderContent, name_in
from spfem.corpus.layouts import find_clips
from spfem.corpus.protocol import PUBLISHED, held_back_clips, protocol_roles, roles_of
from spfem.errors import CorpusError, InputError
from spfem.files import digest
from spfem.media.container import PICTURES_FPS, open_media, picture_paths, sound_tracks, suffix_of
from spfem.media.probe import moving_streams, probe_video
from spfem.settings import EMOTIONS

THREADS = min(16, 4 * (os.cpu_count() or 1))  # they mostly wait for the disk
EDGE_BYTES = 1 << 16
SHORTEST_SECONDS = 0.4  # one window of ten frames at 25 frames a second
UNEQUAL_SECONDS = 0.25  # sound and video that differ more are remarked upon
UNEQUAL_SHARE = 0.5  # the shorter must be at least so much of the longer
RATE_TOLERANCE = 0.005  # 29.97 and 30 are one rate: after ten seconds they are 10 ms apart
NAMES = {"mead": "mead", "asccl": "mead", "ravdess": "ravdess"}
WITHOUT_ROLE = "clips of actors whom the papers did not use, or who cannot be edited"
TOO_FEW = "needs two neutral sentences, one to edit and one to learn from; its clips are left out"
MP4_SUFFIXES = (".mp4", ".m4v", ".m4a", ".mov")
FIRST_BOXES = ("ftyp", "moov", "mdat", "free", "skip", "wide", "styp")
NEEDED = {"moov": "index", "mdat": "content"}
MOST_NAMES = 64  # no real file has so many kinds of boxes
_LONG_SIZE = 1  # the size follows the name, in eight bytes
_REST_OF_FILE = 0


def why_cut_off(path: Path) -> str:
    """What is missing of an mp4 file, such as a download that broke off; empty if nothing is.

    A file is a row of boxes, each with its size and a name of four letters; it needs those of
    `NEEDED`. Nothing is decoded. Source: ISO/IEC 14496-12, section 4.2.

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


@dataclass(frozen=True)
class CheckedClip:
    """A clip that can be used."""

    clip: Clip  # as found
    fps: Fraction  # frames per second
    seconds: float  # of the video
    content: str  # digest of size, first and last 64 KiB of its files
    remark: DamagedClip | None = None  # something odd about it that does not keep it from use


class _UnusableError(Exception):
    """Reason and details why a clip cannot be used."""


def check_clips(
    content: FolderContent, clips: Iterable[Clip]
) -> Iterator[CheckedClip | DamagedClip]:
    """Check clips in threads, with a bar of progress; the order is that of the clips."""
    clips = list(clips)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(lambda clip: check_clip(content, clip), clips)
        yield from tqdm(answers, total=len(clips), desc="checking", unit="clip", mininterval=1.0)


def check_clip(content: FolderContent, clip: Clip) -> CheckedClip | DamagedClip:
    """Look at the headers of a clip's files; what keeps it from use is returned, not raised."""
    video = name_in(content.root, clip.video)
    audio = name_in(content.root, clip.audio) if clip.audio_file else None
    name = video
    try:
        contents = [_content_of(content, video)]
        if audio is not None:
            name = audio
            contents.append(_content_of(content, audio))
        name = video
        fps, seconds, sound = _video_facts(content, video)
        if seconds < SHORTEST_SECONDS:
            details = f"{seconds:.2f} s; a window needs {SHORTEST_SECONDS} s"
            raise _UnusableError("too short", details)
        if audio is not None:
            name = audio
            with open_media(clip.audio) as container:
                tracks = [track for track in sound_tracks(container) if track.decodable]
                length = (container.duration or 0) / 1e6
                sound = tracks[0].seconds or length if tracks else None
        remark = _compare(name, seconds, sound)
        return CheckedClip(clip, fps, seconds, "-".join(contents), remark)
    except _UnusableError as error:
        return DamagedClip(name, *error.args)
    except InputError as error:
        return DamagedClip(name, "not readable as media", str(error))
    except OSError as error:
        return DamagedClip(name, "unreadable", f"{error.strerror or error}; check disk and rights")


def _content_of(content: FolderContent, name: str) -> str:
    """Digest that tells a file or pictures from others; refuses empty and truncated files."""
    path, found = content.locate(name), content.files.get(name)
    if found is None:
        folder = content.pictures[name]
        hasher = sha256(f"{folder.first} {folder.last} {folder.count} {folder.size}".encode())
        pictures = picture_paths(path)
        for picture in (pictures[0], pictures[-1]):
            hasher.update(picture.read_bytes())
        return hasher.hexdigest()[:16]
    if found.size == 0:
        raise _UnusableError("empty", "0 bytes; copy it again")
    missing = why_cut_off(path) if suffix_of(name) in MP4_SUFFIXES else ""
    if missing:
        raise _UnusableError("truncated", f"{missing}; copy or download it again")
    hasher = sha256(str(found.size).encode())
    with path.open("rb") as file:
        hasher.update(file.read(EDGE_BYTES))
        file.seek(max(0, found.size - EDGE_BYTES))
        hasher.update(file.read(EDGE_BYTES))
    return hasher.hexdigest()[:16]


def _video_facts(content: FolderContent, name: str) -> tuple[Fraction, float, float | None]:
    """Rate, seconds of video, and seconds of the sound inside (None without sound)."""
    if name in content.pictures:
        folder = content.pictures[name]
        return Fraction(PICTURES_FPS), (folder.last - folder.first + 1) / PICTURES_FPS, None
    path = content.locate(name)
    with open_media(path) as container:
        if not moving_streams(container):
            raise _UnusableError("no video track", "give a video file")
    facts = probe_video(path)
    seconds = facts.seconds or 0.0
    sound = None if facts.sound is None else facts.sound.seconds or seconds
    return facts.fps, seconds, sound


def _compare(name: str, seconds: float, sound: float | None) -> DamagedClip | None:
    """A remark where sound and video differ in length.

    Raises:
        _UnusableError: if there is no sound, or the lengths cannot belong together.
    """
    if sound is None:
        raise _UnusableError("no sound", "no audio track; pairing needs it, so add a sound file")
    details = f"sound {sound:.2f} s, video {seconds:.2f} s"
    kind = "audio longer than video" if sound > seconds else "audio shorter than video"
    if min(sound, seconds) < UNEQUAL_SHARE * max(sound, seconds):
        raise _UnusableError(kind, f"{details}; they do not belong together")
    if abs(sound - seconds) <= UNEQUAL_SECONDS:
        return None
    return DamagedClip(name, kind, f"{details}; the common part is used", used=True)


@dataclass(frozen=True)
class Survey:
    """A folder of recordings."""

    root: Path  # the folder
    name: str  # `mead` or `ravdess` where the papers' protocol fits, else that of the folder
    kind: str  # `mead`, `ravdess`, `asccl`, `table` or `list`
    clips: tuple[CheckedClip, ...]  # that can be used, in the order of a corpus
    damaged: tuple[DamagedClip, ...]  # files that are left out, and those used with a remark
    unused: Mapping[str, int]  # why other files are not used -> how many
    roles: Mapping[str, str]  # of the actors of `clips`
    fps: Fraction | None  # frames per second of the clips; None if there is no clip
    files: int  # that were seen
    ignored: int  # hidden or unfinished ones that were passed over

    def digest(self) -> str:
        """Digest of words, roles, rate and content of all clips, but not of places and times.

        The content of a file is told by its size, first and last 64 KiB.
        """
        rows = [[one.clip.key, one.clip.sentence, one.content] for one in self.clips]
        return digest([sorted(rows), dict(self.roles), str(self.fps)])

    def corpus(self) -> Corpus:
        """The clips as a corpus.

        Raises:
            CorpusError: if no clip can be used.
        """
        if self.fps is None:
            first = self.damaged[0] if self.damaged else None
            why = f"; the first: {first.path}: {first.reason}, {first.details}" if first else ""
            raise CorpusError(f"{self.root}: no clip can be used{why}")
        return Corpus(
            root=self.root,
            name=self.name,
            fps=whole(self.fps),
            clips=tuple(one.clip for one in self.clips),
            roles=self.roles,
            digest=self.digest(),
            damaged=self.damaged,
        )


def survey_folder(content: FolderContent) -> Survey:
    """Look through a folder of recordings that was walked; nothing in it is changed.

    Raises:
        CorpusError: if its layout is not known.
    """
    kind, found = find_clips(content)
    damaged = [*content.damaged, *found.damaged]
    checked = []
    for answer in check_clips(content, found.clips):
        if isinstance(answer, DamagedClip):
            damaged.append(answer)
        else:
            checked.append(answer)
    fps = most_common_rate([one.fps for one in checked])
    clips = []
    for one in checked:
        if fps is not None and not _is_same_rate(one.fps, fps):
            details = (
                f"{float(one.fps):.3f} frames a second, most clips have {float(fps):.3f}; "
                f"convert it: ffmpeg -i OLD -r {fps} NEW"
            )
            damaged.append(
                DamagedClip(name_in(content.root, one.clip.video), "another frame rate", details)
            )
            continue
        clips.append(one)
        if one.remark is not None:
            damaged.append(one.remark)
    stated = {one.clip.actor: found.roles.get(one.clip.actor) for one in clips}
    name = NAMES.get(kind, "")
    if not protocol_roles(name, stated):  # the papers' name stands for their protocol
        own = content.root.resolve().name
        name = f"own {own}" if own in PUBLISHED else own
    editable = _editable(content.root, name, [one.clip for one in clips])
    roles = roles_of(name, stated, editable)
    targets = [actor for actor, role in roles.items() if role == "target"]
    for actor in targets:
        if actor not in editable and editable.intersection(targets):
            del roles[actor]
            damaged.append(DamagedClip(actor, "target without clips to learn from", TOO_FEW))
    used = [one for one in clips if one.clip.actor in roles]
    if len(used) < len(clips):
        found.unused[WITHOUT_ROLE] = len(clips) - len(used)
    present = {(one.clip.actor, one.clip.emotion) for one in clips}
    damaged += [
        DamagedClip(
            f"{actor}/{emotion}",
            "missing emotion",
            "no usable clip; the actor's other emotions are used",
            used=True,
        )
        for actor in roles
        for emotion in EMOTIONS
        if (actor, emotion) not in present
    ]
    return Survey(
        root=content.root,
        name=name,
        kind=kind,
        clips=tuple(sorted(used, key=lambda one: clip_order(one.clip))),
        damaged=tuple(sorted(damaged, key=lambda one: (one.path, one.reason))),
        unused=dict(found.unused),
        roles=roles,
        fps=fps,
        files=len(content.files) + sum(each.count for each in content.pictures.values()),
        ignored=content.ignored,
    )


def _editable(root: Path, name: str, clips: list[Clip]) -> set[str]:
    """Actors of whom a neutral clip can be edited that no network learned from."""
    roles = dict.fromkeys({clip.actor for clip in clips}, "target")
    corpus = Corpus(root, name, 0, tuple(clips), roles, "")
    editable = set()
    for actor in roles:
        try:
            held_back_clips(corpus, actor)
        except CorpusError:
            continue
        editable.add(actor)
    return editable


def _is_same_rate(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= RATE_TOLERANCE * other


def most_common_rate(rates: list[Fraction]) -> Fraction | None:
    """The rate that most clips have, within the tolerance; None without clips."""
    counts = Counter(rates)
    if not counts:
        return None

    def near(rate: Fraction) -> tuple[int, int, Fraction]:
        alike = sum(count for other, count in counts.items() if _is_same_rate(other, rate))
        return alike, counts[rate], rate

    return max(counts, key=near)
