"""MEAD as released: `<actor>/video/front/<emotion>/level_<k>/<nnn>.mp4` and `<actor>/audio/...`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from spfem.corpus.damage import DamagedClip
from spfem.corpus.published_protocol import PublishedProtocol, load_protocol
from spfem.corpus.recordings.found import FoundClip, FoundClips
from spfem.corpus.recordings.walk import FolderContent
from spfem.media.names import AUDIO_SUFFIXES, VIDEO_SUFFIXES, suffix_of

_PLACE = r"(?P<emotion>[a-z]+)/level_(?P<level>\d)/(?P<number>[^/]+)\.(?P<suffix>\w+)$"
_VIDEO = re.compile(r"(?P<person>.*/)?(?P<view>[a-z]+(?:_\d+)?)/" + _PLACE)
_AUDIO = re.compile(r"(?P<person>.*/)?" + _PLACE)
_VIEWS = ("front", "down", "top", "left_30", "left_60", "right_30", "right_60")


def actor_of(content: FolderContent, person: str | None) -> str:
    """Name of the actor from the folders above view or emotion, of which the last may be left out.

    The corpus itself may be the folder of one actor.
    """
    names = [name for name in (person or "").split("/") if name]
    if names and names[-1] in ("video", "audio"):
        names.pop()
    return names[-1] if names else content.root.resolve().name


def find_mead(content: FolderContent) -> FoundClips:
    """Clips of a folder that holds MEAD, also where `video/` or `audio/` are left out."""
    found, protocol = FoundClips(), load_protocol("mead")
    videos: dict[tuple[str, str, str], list[str]] = {}
    sounds: dict[tuple[str, str, str], str] = {}
    for name in sorted(content.files):
        suffix = suffix_of(name)
        match = _VIDEO.match(name)
        if match and match["view"] in _VIEWS and suffix not in AUDIO_SUFFIXES:
            reason = _why_unused(match, protocol)
            if suffix not in VIDEO_SUFFIXES:
                details = f"{suffix or 'no suffix'} in the place of a video; rename or remove it"
                found.damaged.append(DamagedClip(name, "wrong extension", details))
            elif reason:
                found.unused[reason] += 1
            else:
                key = actor_of(content, match["person"]), match["emotion"], match["number"]
                videos.setdefault(key, []).append(name)
        elif (
            suffix in AUDIO_SUFFIXES
            and (match := _AUDIO.match(name))
            and not _why_unused(match, protocol)
        ):
            actor = actor_of(content, match["person"])
            sounds[actor, match["emotion"], match["number"]] = name
    numbers = numbers_of(videos)
    for key, names in sorted(videos.items()):
        for name in names:
            found.clips.append(clip_of(protocol, key, numbers, name, sounds.get(key)))
    _report_lonely_sound(found, videos, sounds)
    return found.drop_duplicates()


def numbers_of(keys: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], set[str]]:
    """Clip numbers of each actor and emotion, which tell what words a number stands for."""
    numbers: dict[tuple[str, str], set[str]] = {}
    for actor, emotion, number in keys:
        numbers.setdefault((actor, emotion), set()).add(number)
    return numbers


def clip_of(
    protocol: PublishedProtocol,
    key: tuple[str, str, str],
    numbers: dict[tuple[str, str], set[str]],
    video: str,
    audio: str | None,
) -> FoundClip:
    """The clip that the protocol makes of actor, folder of the emotion and number."""
    actor, folder, number = key
    emotion = protocol.emotions[folder]
    return FoundClip(
        actor=actor,
        emotion=emotion,
        level=protocol.levels[emotion],
        number=number,
        sentence=protocol.sentence(emotion, number, numbers[actor, folder]),
        video=video,
        audio=audio,
    )


def _why_unused(match: re.Match[str], protocol: PublishedProtocol) -> str:
    """Why a file of MEAD is left out; empty if it is used."""
    emotion, level = match["emotion"], int(match["level"])
    view = match.groupdict().get("view", "front")
    if emotion not in protocol.emotions:
        return f"emotion {emotion}"
    if view != "front":
        return "other views than front"
    if level != protocol.levels[protocol.emotions[emotion]]:
        return "other levels than 1 (neutral) and 3"
    return ""


def _report_lonely_sound(
    found: FoundClips,
    videos: Mapping[tuple[str, str, str], list[str]],
    sounds: Mapping[tuple[str, str, str], str],
) -> None:
    if videos:
        found.damaged += [
            DamagedClip(name, "no video", "a sound without its video; copy the video too")
            for key, name in sorted(sounds.items())
            if key not in videos
        ]
