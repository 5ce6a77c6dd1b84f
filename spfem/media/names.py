"""Which files count as videos, sounds and pictures, and which names are passed over."""

from __future__ import annotations

import os

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
