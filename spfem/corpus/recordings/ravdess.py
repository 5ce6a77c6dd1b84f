"""RAVDESS: `Actor_<nn>/01-01-05-02-01-01-<nn>.mp4`.

The fields are modality, channel, emotion, intensity, statement, repetition and actor.
"""

from __future__ import annotations

import re

from spfem.corpus.damage import DamagedClip
from spfem.corpus.published_protocol import load_protocol
from spfem.corpus.recordings.found import FoundClip, FoundClips
from spfem.corpus.recordings.walk import FolderContent
from spfem.media.names import AUDIO_SUFFIXES, VIDEO_SUFFIXES, suffix_of

SPEECH = "01"
WITH_SOUND, VIDEO_ONLY, AUDIO_ONLY = "01", "02", "03"
_NAME = re.compile(
    r"(?:.*/)?(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>\d\d)\.\w+$"
)


def find_ravdess(content: FolderContent) -> FoundClips:
    """Clips of a folder that holds RAVDESS, whatever the folders between.

    A clip's level is its intensity (1 normal, 2 strong); its number has the digits intensity,
    statement and repetition; its sentence is the statement. The video with sound is taken, or the
    one without together with the sound file. Emotions and intensities are those of the protocol;
    song and calm, which has no counterpart in the papers, are left out.
    """
    found, protocol = FoundClips(), load_protocol("ravdess")
    takes: dict[tuple[str, ...], dict[str, str]] = {}
    for name in sorted(content.files):
        match = _NAME.match(name)
        if not match:
            continue
        if match["channel"] != SPEECH:
            found.unused["song"] += 1
        elif match["emotion"] not in protocol.emotions:
            found.unused["emotion calm"] += 1
        elif int(match["intensity"]) != protocol.levels[protocol.emotions[match["emotion"]]]:
            found.unused["other intensities than normal (neutral) and strong"] += 1
        else:
            _take(found, takes, match, name)
    for key, files in sorted(takes.items()):
        code, intensity, statement, repetition, actor = key
        emotion = protocol.emotions[code]
        video = files.get(WITH_SOUND) or files.get(VIDEO_ONLY)
        if video is None:
            details = "a sound without its video; copy the video too"
            found.damaged.append(DamagedClip(files[AUDIO_ONLY], "no video", details))
            continue
        found.clips.append(
            FoundClip(
                actor=f"Actor_{actor}",
                emotion=emotion,
                level=int(intensity),
                number=f"{int(intensity)}{int(statement)}{int(repetition)}",
                sentence=protocol.sentence(emotion, statement),
                video=video,
                audio=None if WITH_SOUND in files else files.get(AUDIO_ONLY),
            )
        )
    return found.drop_duplicates()


def _take(
    found: FoundClips,
    takes: dict[tuple[str, ...], dict[str, str]],
    match: re.Match[str],
    name: str,
) -> None:
    modality = match["modality"]
    wanted = AUDIO_SUFFIXES if modality == AUDIO_ONLY else VIDEO_SUFFIXES
    if suffix_of(name) not in wanted:
        details = f"a file of modality {modality} ends with {wanted[0]}; rename or remove it"
        found.damaged.append(DamagedClip(name, "wrong extension", details))
        return
    parts = ("emotion", "intensity", "statement", "repetition", "actor")
    files = takes.setdefault(tuple(match[part] for part in parts), {})
    if modality in files:
        details = f"the same clip as {files[modality]}; remove one of them"
        found.damaged.append(DamagedClip(name, "duplicate", details))
    else:
        files[modality] = name
