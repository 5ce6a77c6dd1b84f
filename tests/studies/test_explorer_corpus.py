"""Clips of a corpus and their paths, and a view that is read from the packets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from studies import explorer_corpus as module
from studies.explorer_corpus import corpus_clips, view_place

from spfem.corpus.clips import Clip, Corpus
from spfem.pairing.pairs import Pair, PairIndex
from spfem.settings import PairingSettings
from tests.explore.made_up import made_clip, made_explorer

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
    return corpus_clips(corpus, faces, pairs, PairingSettings())


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


def test_a_view_is_read_from_the_packets():
    explorer = made_explorer()
    view = view_place(explorer, "spatial", 0, (0.7, 0.4), 6)
    assert view.frames[0] == 6
    assert view.maps[0][view.place] == pytest.approx(1, abs=1e-3)
    assert view.maps[1][view.place] == pytest.approx(view.moments[6, view.frames[1]], abs=1e-5)
    figure = view.draw()
    words = " ".join(ax.get_title() for ax in figure.axes)
    assert f"happy, frame {view.frames[1]}\nsame moment" in words
    assert figure.axes[2].get_xlabel() == f"{view.maps[1][view.place]:.2f} at the place"
