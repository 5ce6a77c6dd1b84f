"""The processed layout of ASCCL: `<actor>/img/<emotion>/<clip>/<frame>.png`, sound in `audio`."""

from __future__ import annotations

import re

from spfem.corpus.damage import DamagedClip
from spfem.corpus.published_protocol import load_protocol
from spfem.corpus.recordings.found import FoundClips
from spfem.corpus.recordings.mead import actor_of, clip_of, numbers_of
from spfem.corpus.recordings.walk import FolderContent
from spfem.media.names import AUDIO_SUFFIXES, suffix_of

_FRAMES = re.compile(
    r"(?P<person>.*/)?(?P<kind>img|align_img)/(?P<emotion>[a-z]+)/(?P<number>[^/]+)$"
)
_SOUND = re.compile(
    r"(?P<person>.*/)?audio/(?P<emotion>[a-z]+)/(?:level_\d/)?(?P<number>[^/]+)\.\w+$"
)


def find_asccl(content: FolderContent) -> FoundClips:
    """Clips of a folder in the processed layout.

    Frames come from `img`; where only the cropped `align_img` is there, from that. The folders
    `audio_feature` and `DECA` are not read: features and codes are made anew from the frames.
    """
    found, protocol = FoundClips(), load_protocol("mead")
    frames: dict[tuple[str, str, str], dict[str, str]] = {}
    for name in sorted(content.pictures):
        match = _FRAMES.match(name)
        if not match:
            continue
        if match["emotion"] not in protocol.emotions:
            found.unused[f"emotion {match['emotion']}"] += 1
        else:
            key = actor_of(content, match["person"]), match["emotion"], match["number"]
            frames.setdefault(key, {})[match["kind"]] = name
    sounds: dict[tuple[str, str, str], str] = {}
    for name in sorted(content.files):
        if suffix_of(name) in AUDIO_SUFFIXES and (match := _SOUND.match(name)):
            sounds[actor_of(content, match["person"]), match["emotion"], match["number"]] = name
    numbers = numbers_of(frames)
    for key, folders in sorted(frames.items()):
        _, folder, number = key
        video = folders.get("img") or folders["align_img"]
        if key not in sounds:
            details = f"there is no sound file audio/{folder}/{number}; copy it too"
            found.damaged.append(DamagedClip(video, "no sound", details))
            continue
        found.clips.append(clip_of(protocol, key, numbers, video, sounds[key]))
    return found.drop_duplicates()
