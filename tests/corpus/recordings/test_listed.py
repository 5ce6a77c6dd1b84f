"""A folder that has a corpus list already, such as the embedded corpus."""

import pytest

from spfem.corpus.clips import Clip, save_corpus
from spfem.corpus.survey import survey_folder
from spfem.errors import CorpusError
from tests.corpus.made_up import put


@pytest.fixture
def listed(tmp_path, recording):
    clips = [
        Clip(tmp_path, actor, "sad", 3, number, number) for actor in "AB" for number in ("1", "2")
    ]
    for clip in clips:
        put(recording[0], clip.video)
        put(recording[1], clip.audio)
    return save_corpus(tmp_path, "made", 30, clips, {"A": "train", "B": "target"}, "d")


def test_list_is_taken_over(listed):
    survey = survey_folder(listed.root)
    assert survey.kind == "list"
    assert survey.roles == listed.roles
    opened = survey.corpus()
    assert [(clip.key, clip.video, clip.audio) for clip in opened.clips] == [
        (clip.key, clip.video, clip.audio) for clip in listed.clips
    ]
    assert not opened.has_truth
    (listed.root / "truth").mkdir()
    assert opened.has_truth


def test_lost_files_and_a_damaged_list(listed):
    listed.clips[0].audio.unlink()
    survey = survey_folder(listed.root)
    assert len(survey.clips) == 3
    assert ("A/audio/sad/level_3/1.m4a", "missing") in {
        (one.path, one.reason) for one in survey.damaged
    }
    (listed.root / "corpus.json").write_text("{")
    with pytest.raises(CorpusError, match="is damaged"):
        survey_folder(listed.root)
