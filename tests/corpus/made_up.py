"""Folders that look like MEAD, RAVDESS, ASCCL's processed data or a user's own, of any clips."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.media.audio import write_audio
from spfem.media.video import read_video, write_video
from spfem.settings import EMOTIONS

RATE = 16000
RAVDESS_CODES = dict(
    zip(EMOTIONS, ("01", "05", "07", "06", "03", "04", "08"), strict=True)
)  # as the names of its files say them


@dataclass(frozen=True)
class Take:
    """A clip to put somewhere: who, what, which number, and the files it is made of."""

    actor: str
    emotion: str
    number: int
    video: Path
    sound: Path


def record(folder: Path, seconds: float = 1.0, fps: int = 30, sound_seconds: float | None = None):
    """A video of noise with sound, and its sound alone."""
    random = np.random.default_rng(0)
    samples = random.uniform(-0.1, 0.1, round((sound_seconds or seconds) * RATE))
    frames = random.integers(0, 255, (round(seconds * fps), 32, 32, 3), np.uint8)
    video, sound = folder / "clip.mp4", folder / "clip.m4a"
    write_video(video, frames, fps, audio=samples, sample_rate=RATE)
    write_audio(sound, samples, RATE)
    return video, sound


def touch(root: Path, *names: str) -> Path:
    """Files of one byte below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def takes_of(video: Path, sound: Path, actors: Iterable[str], numbers: Iterable[int] = (1, 2)):
    """The same files as every clip of some actors."""
    return [
        Take(actor, emotion, number, video, sound)
        for actor in actors
        for emotion in EMOTIONS
        for number in numbers
    ]


def put(source: Path, path: Path) -> Path:
    """Give a file a second place without a copy where the disk can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)
    return path


def lay_out_mead(root: Path, takes: Iterable[Take]) -> Path:
    """As MEAD is released."""
    for take in takes:
        level = 1 if take.emotion == EMOTIONS[0] else 3
        place = f"{take.emotion}/level_{level}/{take.number:03d}"
        put(take.video, root / take.actor / "video" / "front" / f"{place}.mp4")
        put(take.sound, root / take.actor / "audio" / f"{place}.m4a")
    return root


def lay_out_ravdess(root: Path, takes: Iterable[Take]) -> Path:
    """As RAVDESS is released; number 1 to 4 counts statements and repetitions."""
    for take in takes:
        strong = "01" if take.emotion == EMOTIONS[0] else "02"
        statement, repetition = divmod(take.number - 1, 2)
        fields = (RAVDESS_CODES[take.emotion], strong, f"0{statement + 1}", f"0{repetition + 1}")
        name = "-".join(("01", "01", *fields, take.actor.removeprefix("Actor_")))
        put(take.video, root / take.actor / f"{name}.mp4")
    return root


def lay_out_asccl(root: Path, takes: Iterable[Take]) -> Path:
    """As the README of ASCCL lists its processed data."""
    import cv2

    for take in takes:
        place = Path(take.actor, "img", take.emotion, f"{take.number:03d}")
        (root / place).mkdir(parents=True)
        for index, frame in enumerate(read_video(take.video).frames, 1):
            cv2.imwrite(str(root / place / f"{index:06d}.png"), frame[..., ::-1])
        put(take.sound, root / take.actor / "audio" / take.emotion / f"{take.number:03d}.m4a")
        (root / take.actor / "audio_feature").mkdir(exist_ok=True)
    return root


def lay_out_table(
    root: Path, takes: Iterable[Take], roles: Mapping[str, str] | None = None
) -> Path:
    """Own clips with names of all kinds, and their table; numbers 1 to 3 share their words."""
    rows = []
    for index, take in enumerate(takes):
        name = f"meine Aufnahmen/Clip Nº {index} süß.mp4"
        put(take.video, root / name)
        words = f"words {take.number}" if take.number < 4 else f"{take.emotion} {take.number}"
        rows.append(
            {
                "clip": f"{take.number:03d}",
                "actor": take.actor,
                "emotion": take.emotion,
                "sentence": words,
                "path": name,
                "role": (roles or {}).get(take.actor, ""),
            }
        )
    with (root / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return root
