from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.explore import clips as corpus_clips
from spfem.explore.clips import corpus_clips as open_clips
from spfem.pairing.pairs import Pair, PairIndex
from spfem.settings import PairingSettings
from tests.explore.made_up import made_clip

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
    monkeypatch.setattr(
        corpus_clips, "read_audio", lambda path, rate: made_clip(path.parts[-3]).waveform
    )
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
