"""Whether the clips of recordings can be used: a cheap look, one frame a file is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from tqdm.auto import tqdm

from spfem.corpus.damage import DamagedClip
from spfem.corpus.recordings.boxes import MP4_SUFFIXES, why_cut_off
from spfem.corpus.recordings.found import FoundClip
from spfem.corpus.recordings.walk import FolderContent, FoundFile
from spfem.errors import InputError
from spfem.media.files import open_media
from spfem.media.names import suffix_of
from spfem.media.pictures import PICTURES_FPS, picture_paths
from spfem.media.probe import moving_streams, probe_video
from spfem.media.sound_tracks import sound_tracks

THREADS = min(16, 4 * (os.cpu_count() or 1))  # they mostly wait for the disk
EDGE_BYTES = 1 << 16
SHORTEST_SECONDS = 0.4  # one window of ten frames at 25 frames a second
UNEQUAL_SECONDS = 0.25  # sound and video that differ more are remarked upon
UNEQUAL_SHARE = 0.5  # the shorter must be at least so much of the longer


@dataclass(frozen=True)
class CheckedClip:
    """A clip that can be used.

    Attributes:
        clip: as found.
        fps: frames per second.
        seconds: of the video.
        content: digest of size, first and last 64 KiB of its files.
        remark: something odd about it that does not keep it from use.
    """

    clip: FoundClip
    fps: Fraction
    seconds: float
    content: str
    remark: DamagedClip | None = None


class _UnusableError(Exception):
    """Reason and details why a clip cannot be used."""


def check_clips(
    content: FolderContent, clips: Iterable[FoundClip]
) -> Iterator[CheckedClip | DamagedClip]:
    """Check clips in threads, with a bar of progress; the order is that of the clips."""
    clips = list(clips)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(lambda clip: check_clip(content, clip), clips)
        yield from tqdm(answers, total=len(clips), desc="checking", unit="clip", mininterval=1.0)


def check_clip(content: FolderContent, clip: FoundClip) -> CheckedClip | DamagedClip:
    """Look at the headers of a clip's files; what keeps it from use is returned, not raised."""
    files = [clip.video] if clip.audio is None else [clip.video, clip.audio]
    name = clip.video
    try:
        contents = []
        for name in files:
            contents.append(_content_of(content, name))
        name = clip.video
        fps, seconds, sound_inside = _video_facts(content, clip.video)
        name = clip.audio or clip.video
        sound = sound_inside if clip.audio is None else _sound_seconds(content.locate(clip.audio))
        return CheckedClip(clip, fps, seconds, "-".join(contents), _compare(clip, seconds, sound))
    except _UnusableError as error:
        return DamagedClip(name, *error.args)
    except InputError as error:
        return DamagedClip(name, "not readable as media", str(error))
    except OSError as error:
        return DamagedClip(name, "unreadable", f"{error.strerror or error}; check disk and rights")


def _content_of(content: FolderContent, name: str) -> str:
    """Digest that tells a file from others; refuses empty and truncated files."""
    found = content.files.get(name)
    if found is None:
        return _content_of_pictures(content, name)
    if found.size == 0:
        raise _UnusableError("empty", "0 bytes; copy it again")
    path = content.locate(name)
    missing = why_cut_off(path) if suffix_of(name) in MP4_SUFFIXES else ""
    if missing:
        raise _UnusableError("truncated", f"{missing}; copy or download it again")
    return _edges(path, found)


def _edges(path: Path, found: FoundFile) -> str:
    hasher = sha256(str(found.size).encode())
    with path.open("rb") as file:
        hasher.update(file.read(EDGE_BYTES))
        file.seek(max(0, found.size - EDGE_BYTES))
        hasher.update(file.read(EDGE_BYTES))
    return hasher.hexdigest()[:16]


def _content_of_pictures(content: FolderContent, name: str) -> str:
    folder = content.pictures[name]
    hasher = sha256(f"{folder.first} {folder.last} {folder.count} {folder.size}".encode())
    paths = picture_paths(content.locate(name))
    for path in (paths[0], paths[-1]):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:16]


def _video_facts(content: FolderContent, name: str) -> tuple[Fraction, float, float | None]:
    """Rate, seconds of video, and seconds of the sound inside (None without sound)."""
    if name in content.pictures:
        folder = content.pictures[name]
        frames = folder.last - folder.first + 1
        _refuse_short(frames / PICTURES_FPS)
        return Fraction(PICTURES_FPS), frames / PICTURES_FPS, None
    path = content.locate(name)
    with open_media(path) as container:
        if not moving_streams(container):
            raise _UnusableError("no video track", "give a video file")
    facts = probe_video(path)
    seconds = facts.seconds or 0.0
    _refuse_short(seconds)
    sound = None if facts.sound is None else facts.sound.seconds or seconds
    return facts.fps, seconds, sound


def _refuse_short(seconds: float) -> None:
    if seconds < SHORTEST_SECONDS:
        raise _UnusableError("too short", f"{seconds:.2f} s; a window needs {SHORTEST_SECONDS} s")


def _sound_seconds(path: Path) -> float | None:
    with open_media(path) as container:
        tracks = [track for track in sound_tracks(container) if track.decodable]
        return tracks[0].seconds or (container.duration or 0) / 1e6 if tracks else None


def _compare(clip: FoundClip, seconds: float, sound: float | None) -> DamagedClip | None:
    """A remark where sound and video differ in length.

    Raises:
        _UnusableError: if there is no sound, or the lengths cannot belong together.
    """
    if sound is None:
        raise _UnusableError("no sound", "no audio track; pairing needs it, so add a sound file")
    name = clip.audio or clip.video
    details = f"sound {sound:.2f} s, video {seconds:.2f} s"
    kind = "audio longer than video" if sound > seconds else "audio shorter than video"
    if min(sound, seconds) < UNEQUAL_SHARE * max(sound, seconds):
        raise _UnusableError(kind, f"{details}; they do not belong together")
    if abs(sound - seconds) <= UNEQUAL_SECONDS:
        return None
    return DamagedClip(name, kind, f"{details}; the common part is used", used=True)
