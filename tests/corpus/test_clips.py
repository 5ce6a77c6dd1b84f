"""Corpus listing: layout, selection, damage."""

import json

import pytest

from spfem.corpus.clips import Clip, open_corpus, save_corpus
from spfem.errors import CorpusError

ROLES = {"M1": "train", "W2": "target"}


def clips_below(root):
    clips = [
        Clip(root, actor, emotion, 1 if emotion == "neutral" else 3, "001", "s1")
        for actor in ROLES
        for emotion in ("happy", "neutral")
    ]
    clips.append(Clip(root, "W2", "happy", 3, "004", "happy_1"))
    for clip in clips:
        for file in (clip.video, clip.audio):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x")
    return clips


def test_layout(tmp_path):
    clip = Clip(tmp_path, "M1", "sad", 3, "002", "s2")
    assert clip.key == "M1/sad/level_3/002"
    assert clip.label == 5
    assert clip.video == tmp_path / "M1/video/front/sad/level_3/002.mp4"
    assert clip.audio == tmp_path / "M1/audio/sad/level_3/002.m4a"
    assert clip.truth == tmp_path / "truth/M1/sad/level_3/002.npz"
    video, arrays = clip.counterpart("happy")
    assert video == tmp_path / "truth/M1/sad/level_3/002/as_happy.mp4"
    assert arrays == tmp_path / "truth/M1/sad/level_3/002/as_happy.npz"
    with pytest.raises(CorpusError, match="glad"):
        clip.counterpart("glad")


def test_saved_and_opened(tmp_path):
    saved = save_corpus(tmp_path, "tiny", 25, clips_below(tmp_path), ROLES, "d1")
    corpus = open_corpus(tmp_path)
    assert corpus == saved
    assert (corpus.name, corpus.fps, corpus.digest, corpus.roles) == ("tiny", 25, "d1", ROLES)
    assert [clip.emotion for clip in corpus.select(actor="M1")] == ["neutral", "happy"]
    assert len(corpus.select(role="target")) == 3
    assert len(corpus.select(role="target", emotion="happy", sentence="s1")) == 1
    assert corpus.select(actor="nobody") == ()


@pytest.mark.parametrize("damage", ["not json", "[]", "{}", '{"clips": [1], "roles": {}}'])
def test_damaged_list(tmp_path, damage):
    (tmp_path / "corpus.json").write_text(damage)
    with pytest.raises(CorpusError, match=r"corpus\.json is damaged"):
        open_corpus(tmp_path)


def test_contradictions_and_missing_files(tmp_path):
    clips = clips_below(tmp_path)
    with pytest.raises(CorpusError, match="twice"):
        save_corpus(tmp_path, "tiny", 25, clips + clips[:1], ROLES, "d")
    with pytest.raises(CorpusError, match="no role"):
        save_corpus(tmp_path, "tiny", 25, clips, {"M1": "train"}, "d")
    with pytest.raises(CorpusError, match="boss"):
        save_corpus(tmp_path, "tiny", 25, clips, {"M1": "train", "W2": "boss"}, "d")
    with pytest.raises(CorpusError, match="no clip"):
        save_corpus(tmp_path, "tiny", 25, [], ROLES, "d")
    save_corpus(tmp_path, "tiny", 25, clips, ROLES, "d")
    listing = json.loads((tmp_path / "corpus.json").read_text())
    listing["clips"][0]["emotion"] = "glad"
    (tmp_path / "corpus.json").write_text(json.dumps(listing))
    with pytest.raises(CorpusError, match="glad"):
        open_corpus(tmp_path)
    save_corpus(tmp_path, "tiny", 25, clips, ROLES, "d")
    clips[0].video.write_bytes(b"")
    with pytest.raises(CorpusError, match="missing or empty"):
        open_corpus(tmp_path)
