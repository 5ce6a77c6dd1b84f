from __future__ import annotations

from types import SimpleNamespace

import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.run import data


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    clips = tuple(
        Clip(tmp_path, actor, emotion, 1, "001", "s")
        for actor in ("M001", "W001")
        for emotion in ("neutral", "happy")
    )
    whole = Corpus(tmp_path, "made", 25, clips, {"M001": "train", "W001": "target"}, "digest")
    monkeypatch.setattr(data, "make_whole_corpus", lambda workspace: whole)
    return whole


def give_damage(monkeypatch, **damaged):
    monkeypatch.setattr(data, "make_faces", lambda workspace: SimpleNamespace(damaged=damaged))


def test_clips_without_a_face_are_left_out_for_every_later_stage(corpus, monkeypatch):
    key = "M001/happy/level_1/001"
    give_damage(monkeypatch, **{key: "dark"})
    usable = data.make_corpus(None)
    assert [clip.key for clip in usable.clips] == [
        clip.key for clip in corpus.clips if clip.key != key
    ]
    assert usable.roles == corpus.roles
    assert usable.digest != corpus.digest
    [row] = usable.damaged
    assert (row.path, row.details, row.used) == (key, "dark", False)


def test_a_workspace_looks_for_its_files_once(monkeypatch, tmp_path):
    built = []

    def build(root, settings):
        built.append((root, settings))
        return Corpus(root, f"made {len(built)}", 25, (), {}, "digest")

    monkeypatch.setattr(data, "build_synthetic_corpus", build)

    def workspace():
        scale = SimpleNamespace(corpus="settings")
        return SimpleNamespace(corpus="synthetic", corpus_root=tmp_path, scale=scale, opened=[])

    one = workspace()
    assert data.make_whole_corpus(one) is data.make_whole_corpus(one)
    assert built == [(tmp_path, "settings")]
    assert data.make_whole_corpus(workspace()).name == "made 2"
