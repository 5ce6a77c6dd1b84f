"""The user's own two clips, tracked and aligned for the explorer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spfem.edit.tracking.tracked_speech import check_speech, track_speech
from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair, align_clips
from spfem.settings import PairingSettings

ACTOR, SENTENCE = "own", "own sentence"


def own_clips(
    first: Path, second: Path, keep: Path, face_size: int, settings: PairingSettings
) -> ClipSource:
    """Two video files of one person who says the same twice; their names stand for emotions.

    Raises:
        FaceNotFoundError: if a file shows no face.
        InputError: if a file cannot be read, has no sound, is too short or too long.
    """
    paths = [Path(path).expanduser() for path in (first, second)]
    for path in paths:  # what is wrong with either is said before the tracking begins
        check_speech(path)
    names, clips, remarks = [path.stem for path in paths], {}, []
    if names[0] == names[1]:
        names = [f"{names[0]} (first)", f"{names[1]} (second)"]
    for name, path in zip(names, paths, strict=True):
        said = track_speech(path, keep, face_size, settings.sample_rate)
        clips[name] = ExploredClip(
            path.name, name, said.faces, said.waveform, settings.sample_rate, said.fps,
            expression=said.expression,
        )  # fmt: skip
        if said.people > 1:
            remarks.append(f"{path.name} shows {said.people} faces; the largest is explored.")

    def read_pair(actor: str, sentence: str, one: str, other: str) -> ExploredPair:
        pair = align_clips(clips[one], clips[other], settings)
        return replace(pair, remark=" ".join(filter(None, [pair.remark, *remarks])))

    return ClipSource({(ACTOR, SENTENCE): tuple(clips)}, read_pair)
