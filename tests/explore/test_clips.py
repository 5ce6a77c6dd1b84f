"""Clips of a corpus and own clips, aligned and refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.errors import FaceNotFoundError, InputError
from spfem.explore import clips as module
from spfem.explore.clips import align_clips, own_clips
from spfem.explore.explorer import explore_clips
from spfem.media.video import write_video
from spfem.settings import PairingSettings
from tests.explore.made_up import made_clip


def test_a_clip_fits_itself_and_noise_is_doubted():
    clip = made_clip("neutral")
    tone = np.sin(np.cumsum(np.linspace(0.05, 0.4, len(clip.waveform)))).astype(np.float32)
    settings = PairingSettings()
    pair = align_clips(replace(clip, waveform=tone), replace(clip, waveform=tone), settings)
    assert np.array_equal(pair.path[:, 0], pair.path[:, 1])
    assert not pair.remark
    other = replace(made_clip("sad"), waveform=tone[::-1].copy())
    strict = replace(settings, maximum_cost=1.0)
    assert "hardly fit" in align_clips(replace(clip, waveform=tone), other, strict).remark


def written(path, frames, fps=25, sound=True):
    pictures = np.random.default_rng(0).integers(0, 255, (frames, 64, 64, 3), dtype=np.uint8)
    tone = np.sin(np.arange(max(frames, 1) * 16000 // fps) / 9).astype(np.float32) / 2
    options = {"audio": tone, "sample_rate": 16000} if sound else {}
    write_video(path, pictures, fps, **options)
    return path


def opened(tmp_path, first, second):
    return own_clips(first, second, tmp_path / "own", 96, PairingSettings())


def test_what_is_wrong_with_a_file_is_said_before_the_tracking(tmp_path):
    good = written(tmp_path / "good.mp4", 12)
    mute = written(tmp_path / "mute.mp4", 12, sound=False)
    short = written(tmp_path / "short.mp4", 4)
    long = written(tmp_path / "long.mp4", 31, fps=1)
    for bad, message in (
        (mute, "mute.mp4 has no sound"),
        (short, "short.mp4 has 4 frames"),
        (long, "long.mp4 lasts 31 s"),
        (tmp_path / "none.mp4", "none.mp4 does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            opened(tmp_path, good, bad)
    assert not (tmp_path / "own").exists()


@pytest.mark.slow
def test_a_file_without_a_face_is_refused(tmp_path):
    clip = written(tmp_path / "noise.mp4", 12)
    with pytest.raises(FaceNotFoundError, match=r"noise\.mp4"):
        opened(tmp_path, clip, clip)


def test_of_several_faces_it_is_said_which_one_is_explored(tmp_path, monkeypatch):
    def track(path, name, keep, face_size, sample_rate):
        clip = made_clip("neutral" if path.stem == "one" else "happy")
        people = 2 if path.stem == "two" else 1
        return clip, people

    monkeypatch.setattr(module, "track_speech", track)
    files = [written(tmp_path / f"{name}.mp4", 12) for name in ("one", "two")]
    source = opened(tmp_path, *files)
    assert source.spoken == {("own", "own sentence"): ("one", "two")}
    pair = source.read_pair("own", "own sentence", "one", "two")
    assert pair.remark.endswith("two.mp4 shows 2 faces; the largest is explored.")
    assert (len(pair.first.faces), len(pair.second.faces)) == (17, 15)  # of unequal length


def test_own_clips_need_no_run(tmp_path, monkeypatch):
    def track(path, name, keep, face_size, sample_rate):
        clip = made_clip("neutral" if path.stem == "one" else "happy")
        faces = np.zeros((len(clip.faces), face_size, face_size, 3), np.uint8)
        faces[:] = np.arange(face_size, dtype=np.uint8)[:, None]
        return replace(clip, faces=faces), 1

    monkeypatch.setattr(module, "track_speech", track)
    files = [written(tmp_path / f"{name}.mp4", 12) for name in ("one", "two")]
    explorer = explore_clips(*files, keep=tmp_path / "own")
    assert explorer.metrics() == ("raw", "spatial", "spatial_speech", "audio_visual")
    clip = ("own clips", "own", "own sentence", "one")
    for metric in ("raw", "spatial", "spatial_speech"):
        assert explorer.packet(("places", *clip, metric, 2)).arrays
