"""Files of media: which count as such, opened and written with errors that name the remedy.

Also what a video may be in place of one file (a folder of numbered pictures), and the sound tracks
of a file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from spfem.errors import ArtifactError, InputError
from spfem.files import writing

# FFmpeg takes texts, pictures, lists of other files and subtitles for media, too.
NOT_MEDIA = (
    "tty", "image2", "hls", "dash", "concat", "concatf", "sdp", "rtsp", "imf", "bin",
    "srt", "ass", "webvtt", "subviewer", "microdvd", "lrc", "sami", "mpl2", "jacosub",
)  # fmt: skip


def in_seconds(ticks: int | None, time_base: Fraction | None) -> Fraction:
    """Return a time or duration of a stream in seconds; 0 where the file does not say it."""
    return Fraction(ticks or 0) * (time_base or Fraction(0))


def damaged(path: Path, found: object) -> InputError:
    """Return the error for a file that cannot be read as media."""
    reason = " ".join(str(found).split())
    return InputError(
        f"{path} is not a readable media file, or it is damaged or truncated ({reason}); "
        "copy it again or convert it to H.264/AAC mp4"
    )


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading; decoding errors inside the block name the file, too.

    Only local files are opened, whatever the name looks like, and nothing that a file refers to.

    Raises:
        InputError: if the file is missing, a folder, empty, unreadable, damaged or no media file.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the path")
        if path.is_dir():
            raise InputError(f"{path} is a folder; give a video or audio file")
        if not path.is_file():
            raise InputError(f"{path} is no ordinary file; give a video or audio file")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes); copy it again")
        # "file:" so that a colon in the name starts no protocol.
        # av.error types derive from OSError and ValueError as well as from FFmpegError
        with av.open(
            f"file:{path}",
            metadata_errors="replace",
            options={"protocol_whitelist": "file"},
        ) as container:
            names = container.format.name.split(",")
            if any(name in NOT_MEDIA or name.endswith("_pipe") for name in names):
                raise _other_kind(path)
            yield container
    except PermissionError:
        if os.access(path, os.R_OK):  # it names other files, which are not opened
            raise _other_kind(path) from None
        raise InputError(f"{path} cannot be read (permission denied)") from None
    except av.FFmpegError as error:
        raise damaged(path, error.strerror) from None
    except UnicodeError:
        raise InputError(f"{path!r} has a name that is no text; rename it") from None


def _other_kind(path: Path) -> InputError:
    return InputError(
        f"{path} is a picture, a text or a list, and no video or audio file; give a recording, "
        "such as an mp4 file"
    )


@contextmanager
def write_media(path: Path, comment: str | None = None) -> Iterator[OutputContainer]:
    """Open an mp4 (or m4a) file for writing; it appears under `path` only when whole.

    Raises:
        ArtifactError: if the file cannot be written, for example on a full disk.
    """
    try:
        # A Python file, because FFmpeg's own buffered output can lose a late write error.
        with writing(path) as aside, aside.open("wb") as file:
            with av.open(file, "w", format="mp4") as container:
                if comment is not None:
                    container.metadata["comment"] = comment
                yield container
            file.flush()
    except av.FFmpegError as error:
        raise ArtifactError(f"{path} cannot be encoded ({error.strerror})") from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "the disk is full; free some space" if full else "choose another place"
        raise ArtifactError(f"{path} cannot be written ({error.strerror}); {remedy}") from None


VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".flv", ".wmv", ".mts",
    ".m2ts", ".ts", ".3gp", ".ogv",
)  # fmt: skip
AUDIO_SUFFIXES = (".m4a", ".wav", ".aac", ".mp3", ".flac", ".ogg", ".opus", ".wma")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
IGNORED_NAMES = ("thumbs.db", "desktop.ini", "__macosx")
IGNORED_SUFFIXES = (".part", ".crdownload", ".tmp")


def suffix_of(name: str) -> str:
    """Suffix of a path in small letters, with the dot.

    Example:
        >>> suffix_of("Holiday/IMG_0001.MP4")
        '.mp4'
    """
    return os.path.splitext(name)[1].lower()


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, unfinished, or a system's own.

    Example:
        >>> [is_ignored(name) for name in ("._take1.mp4", "__MACOSX", "take1.mp4")]
        [True, True, False]
    """
    lower = name.lower()
    return name.startswith(".") or lower in IGNORED_NAMES or suffix_of(name) in IGNORED_SUFFIXES


PICTURES_FPS = 30  # pictures carry no rate; those of the papers are frames of MEAD


def picture_paths(folder: Path) -> list[Path]:
    """The numbered pictures of a folder in the order of their numbers.

    Raises:
        InputError: if there is none.
    """
    paths = [
        path
        for path in folder.iterdir()
        if suffix_of(path.name) in PICTURE_SUFFIXES and path.stem.isdecimal()
    ]
    if not paths:
        raise InputError(f"{folder} holds no numbered picture such as 000001.png")
    return sorted(paths, key=lambda path: int(path.stem))


def stream_pictures(folder: Path) -> Iterator[np.ndarray]:
    """Yield the pictures of a folder, uint8 (H, W, 3) RGB; a missing number repeats the last one.

    Raises:
        InputError: if there is no picture, one cannot be read, or sizes differ.
    """
    number, frame = 0, None
    for path in picture_paths(folder):
        while frame is not None and number + 1 < int(path.stem):
            yield frame
            number += 1
        try:
            image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:  # empty, or larger than anything sensible
            image = None
        if image is None:
            raise InputError(f"{path} is not a readable picture; copy it again")
        if frame is not None and image.shape != frame.shape:
            raise InputError(f"{path} has another size than the pictures before it")
        number, frame = int(path.stem), image[..., ::-1].copy()
        yield frame


@dataclass(frozen=True)
class SoundTrack:
    """One sound track of a file."""

    index: int  # of its stream
    codec: str  # FFmpeg's name, empty if it knows none
    rate: int  # samples a second; 0 if it cannot be decoded
    channels: int  # 0 if it cannot be decoded
    seconds: float | None  # length, where header or packets tell
    language: str = ""  # as the file says it, or empty

    @property
    def decodable(self) -> bool:
        """Whether there is a decoder, and the track has samples."""
        return self.rate > 0 and self.channels > 0

    @property
    def title(self) -> str:
        """Words for messages."""
        kind = self.codec or "unknown codec"
        return f"{kind}, {self.language}" if self.language else kind


def sound_tracks(container: InputContainer) -> list[SoundTrack]:
    """The sound tracks of an open file."""
    tracks = []
    for stream in container.streams.audio:
        # PyAV gives None where FFmpeg knows no decoder, which its types do not say.
        context: AudioCodecContext | None = stream.codec_context
        seconds = float(in_seconds(stream.duration, stream.time_base)) or None
        language = stream.metadata.get("language", "").removeprefix("und")
        known = (context.name, context.rate or 0, context.channels or 0) if context else ("", 0, 0)
        tracks.append(SoundTrack(stream.index, *known, seconds, language))
    return tracks


def audio_stream(container: InputContainer, track: SoundTrack) -> AudioStream:
    """The stream of a sound track in an open file."""
    return next(one for one in container.streams.audio if one.index == track.index)
