"""Whether the parts of an mp4 file are all there, read from their sizes without decoding."""

from __future__ import annotations

import struct
from pathlib import Path

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
