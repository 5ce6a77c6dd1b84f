"""Open and write media files with errors that name the file and the remedy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from spfem.artifacts import writing
from spfem.errors import ArtifactError, InputError

# FFmpeg takes texts, pictures and lists of other files for media, too.
NOT_MEDIA = ("tty", "image2", "hls", "dash", "concat", "concatf", "sdp", "rtsp", "imf", "bin")
NOT_MEDIA_ENDINGS = ("_pipe",)
SUBTITLES = ("srt", "ass", "webvtt", "subviewer", "microdvd", "lrc", "sami", "mpl2", "jacosub")


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
            _refuse_other_kinds(path, container.format.name)
            yield container
    except PermissionError:
        if os.access(path, os.R_OK):  # it names other files, which are not opened
            raise _other_kind(path) from None
        raise InputError(f"{path} cannot be read (permission denied)") from None
    except av.FFmpegError as error:
        raise damaged(path, error.strerror) from None
    except UnicodeError:
        raise InputError(f"{path!r} has a name that is no text; rename it") from None


def _refuse_other_kinds(path: Path, kind: str) -> None:
    names = kind.split(",")
    if any(name in (*NOT_MEDIA, *SUBTITLES) or name.endswith(NOT_MEDIA_ENDINGS) for name in names):
        raise _other_kind(path)


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
