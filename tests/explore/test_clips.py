"""Clips of a corpus and own clips, aligned and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import FaceNotFoundError, InputError
from spfem.explore import clips as module
from spfem.explore.clips import align_clips, own_clips
from spfem.explore.clips import corpus_clips as open_clips
from spfem.explore.explorer import explore_clips
from spfem.media.video import write_video
from spfem.pairing.pairs import Pair, PairIndex
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


LEVELS = {"neutral": (1,), "happy": (1, 3), "sad": (2,)}


def listed(actor: str, sentence: str, emotions=tuple(LEVELS)) -> list[Clip]:
    return [
        Clip(Path("/nowhere"), actor, emotion, level, sentence, sentence)
        for emotion in emotions
        for level in LEVELS[emotion]
    ]


@pytest.fixture
def source(monkeypatch):
    clips = (*listed("H", "s1"), *listed("H", "s2", ("sad",)), *listed("T", "s1"))
    roles = {"H": "train", "T": "target"}
    corpus = Corpus(Path("/nowhere"), "made up", 25, clips, roles, "digest")
    faces = {
        clip.key: SimpleNamespace(faces=made.faces, expression=made.expression)
        for clip in clips
        for made in [made_clip(clip.emotion)]
    }
    monkeypatch.setattr(module, "read_audio", lambda path, rate: made_clip(path.parts[-3]).waveform)
    path = np.array([[0, 1], [3, 4]])
    names = "T/neutral/level_1/s1", "T/happy/level_3/s1"
    pairs = PairIndex((Pair(*names, path, 9.9, False),), roles, "digest")
    return open_clips(corpus, faces, pairs, PairingSettings())


def test_only_actors_that_no_metric_learned_from_are_shown(source):
    assert source.spoken == {("T", "s1"): ("neutral", "happy", "sad")}


def test_the_path_is_that_of_the_pairing_in_either_direction(source):
    there = source.read_pair("T", "s1", "neutral", "happy")
    back = source.read_pair("T", "s1", "happy", "neutral")
    assert np.array_equal(there.path, [[0, 1], [3, 4]])
    assert np.array_equal(back.path, [[1, 0], [4, 3]])
    assert "cost 9.9" in there.remark
    assert there.first is back.second


def test_pairs_that_the_pairing_lacks_are_aligned_by_their_sound(source):
    pair = source.read_pair("T", "s1", "happy", "sad")
    lengths = len(pair.first.faces), len(pair.second.faces)
    assert tuple(pair.path[0]) == (0, 0)
    assert (pair.path < lengths).all()
    assert (np.diff(pair.path, axis=0) >= 0).all()
    same = source.read_pair("T", "s1", "sad", "sad")
    assert np.array_equal(same.path[:, 0], same.path[:, 1])


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
