"""Five hundred damaged files of every kind: each is read, or refused in one line."""

from __future__ import annotations

import resource
import time
import wave
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from studies.audit import read_published

from spfem.checkpoints import load_checkpoint, save_checkpoint
from spfem.corpus.folder import walk_folder
from spfem.corpus.survey import survey_folder
from spfem.errors import SpfemError
from spfem.face.track import FaceTrack
from spfem.media.audio import read_audio
from spfem.media.container import stream_pictures
from spfem.media.probe import probe_video
from spfem.media.video import check_result, stream_frames
from tests.media.clips import clicks, flash_frames, write_clip

VARIANTS = 500
SECONDS, BYTES = 120, 1 << 30  # of the processor, since other programs may be busy


def _copy(path, place):
    """The file below a folder of its own, under another name."""
    folder = path.parent / f"folder of {path.name} as {place}"
    folder.mkdir()
    (folder / place).write_bytes(path.read_bytes())
    return folder


def _pictures(path):
    return list(stream_pictures(_copy(path, "000001.png")))


def _survey(path):
    survey_folder(walk_folder(_copy(path, "clips.csv")))


def _published(path):
    read_published(path.parent / f"folder of {path.name} as clips.csv")


def _result(path):
    check_result(path, probe_video(path), path.with_name("result.mp4"))


def _frames(path):
    for frame in stream_frames(path):
        assert frame.dtype == np.uint8
        assert frame.shape[2] == 3


MEDIA: tuple[Callable[[Path], object], ...] = (probe_video, _frames, read_audio, _result)
READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    ".mp4": MEDIA,
    ".mkv": MEDIA,
    ".webm": MEDIA,
    ".wav": (read_audio, probe_video),
    ".png": (_pictures, probe_video),
    ".csv": (_survey, _published),
    ".npz": (FaceTrack.load,),
    ".safetensors": (partial(load_checkpoint, kind="made up"),),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small whole file of each kind."""
    root = tmp_path_factory.mktemp("good")
    frames = np.concatenate([flash_frames(8, 4)] * 2)
    sound = clicks(0.6, [0.2])
    write_clip(root / "a.mp4", frames, sounds=[sound])
    write_clip(root / "a.mkv", frames, sounds=[sound], sound_codec="pcm_s16le")
    write_clip(
        root / "a.webm", frames, codec="libvpx", sounds=[clicks(0.6, [0.2], 48000)],
        sound_codec="libopus", rate=48000,
    )  # fmt: skip
    with wave.open(str(root / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((sound[0] * 20000).astype("<i2").tobytes())
    cv2.imwrite(str(root / "a.png"), frames[4])
    rows = [f"{n},M1,{e},text,{n}.mp4" for n in range(9) for e in ("sad", "neutral")]
    (root / "a.csv").write_text("\n".join(["clip,actor,emotion,sentence,path", *rows]))
    named = {field.name: np.ones((4, 3), np.float32) for field in fields(FaceTrack)}
    np.savez(root / "a.npz", **named | {"frame_size": (48, 64), "fps": 25.0, "name": "a"})
    weights = {"weight": torch.ones(8, 8)}
    save_checkpoint(root / "a.safetensors", weights, kind="made up", facts={"width": 8})
    return {path.suffix: path for path in sorted(root.iterdir())}


def damage(data: bytes, others: list[bytes], random: np.random.Generator) -> tuple[bytes, str]:
    """One kind of damage, drawn: cut off, flipped bytes, another file's head, a hole, noise."""
    place, size = int(random.integers(1, len(data))), int(random.integers(4, 400))
    flipped = bytearray(data)
    for at in random.integers(0, len(data), random.integers(1, 40)):
        flipped[at] ^= int(random.integers(1, 256))
    kinds = {
        "cut": data[:place],
        "flipped": bytes(flipped),
        "head": others[random.integers(len(others))][: size // 2] + data[size // 2 :],
        "hole": data[:place] + data[place + size :],
        "noise": random.integers(0, 256, place, dtype=np.uint8).tobytes(),
        "doubled": data[:place] + data,
    }
    kind = list(kinds)[random.integers(6)]
    return kinds[kind], kind


@pytest.mark.slow
def test_every_damaged_file_is_read_or_refused_in_one_line(good, tmp_path, capfd):
    random = np.random.default_rng(2026)
    contents = {suffix: path.read_bytes() for suffix, path in good.items()}
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    refused, faults = 0, []
    for number in range(VARIANTS):
        suffix = list(READERS)[number % len(READERS)]
        data, kind = damage(contents[suffix], list(contents.values()), random)
        shown = suffix
        if random.random() < 0.1:  # a wrong suffix
            shown, kind = list(READERS)[random.integers(len(READERS))], f"{kind}, wrong suffix"
        path = tmp_path / f"{number}{shown}"
        path.write_bytes(data)
        for read in READERS[shown]:
            try:
                read(path)
            except SpfemError as error:
                refused += 1
                if "\n" in str(error) or not str(error):
                    faults.append(f"{path.name} ({kind}): {error!r}")
            except Exception as error:
                faults.append(f"{path.name} ({kind}) {read}: {type(error).__name__}: {error}")
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert not faults, "\n".join(faults[:20]) + f"\n{len(faults)} faults"
    assert refused > VARIANTS / 3
    assert grown < BYTES
    assert time.process_time() - began < SECONDS
