"""The stage that lists recordings: read back while nothing changed, made anew when it did."""

import json

import pytest

from spfem.corpus import survey as listing
from spfem.corpus.folder import walk_folder
from spfem.corpus.survey import list_recordings
from spfem.errors import SettingsError
from tests.corpus.made_up import lay_out_mead, put, takes_of


@pytest.fixture(autouse=True)
def _fresh():
    listing._list_recordings.cache_clear()


def again(root, folder):
    """As a later run of Python sees it."""
    listing._list_recordings.cache_clear()
    return list_recordings(root, folder)


@pytest.fixture
def root(tmp_path, recording):
    return lay_out_mead(tmp_path / "mead", takes_of(*recording, ["M003", "M005"], numbers=(1,)))


def test_list_is_read_back(root, tmp_path, monkeypatch):
    folder = tmp_path / "data/mead-smoke/corpus"
    made = list_recordings(root, folder)
    value = json.loads((folder / "corpus.json").read_text())
    assert value["root"] == str(root)
    assert value["clips"][0]["video"] == "M003/video/front/neutral/level_1/001.mp4"
    monkeypatch.setattr(listing, "survey_content", None)  # must not be asked for again
    assert again(root, folder) == made
    assert made.clips[0].video == root / "M003/video/front/neutral/level_1/001.mp4"


def test_new_and_lost_clips_are_noticed(root, tmp_path, recording):
    folder = tmp_path / "list"
    made = list_recordings(root, folder)
    put(recording[0], root / "M003/video/front/sad/level_3/002.mp4")
    more = again(root, folder)
    assert len(more.clips) == len(made.clips) + 1
    assert more.digest != made.digest
    (root / "M003/video/front/sad/level_3/002.mp4").unlink()
    assert again(root, folder) == made


def test_damage_is_kept_in_the_list(root, tmp_path):
    video = root / "M003/video/front/sad/level_3/001.mp4"
    video.unlink()
    video.write_bytes(b"")
    made = list_recordings(root, tmp_path / "list")
    assert [one.reason for one in made.damaged] == ["missing emotion", "empty"]
    assert again(root, tmp_path / "list").damaged == made.damaged


def test_results_of_another_folder_are_not_overwritten(root, tmp_path, recording):
    list_recordings(root, tmp_path / "list")
    other = lay_out_mead(tmp_path / "b/mead", takes_of(*recording, ["M003"], numbers=(1,)))
    with pytest.raises(SettingsError, match="holds the results of"):
        list_recordings(other, tmp_path / "list")


def test_recordings_are_only_read(root, tmp_path):
    before = walk_folder(root).digest()  # of names, sizes and times
    again(root, tmp_path / "data/mead-smoke/corpus")
    again(root, tmp_path / "data/mead-smoke/corpus")
    assert walk_folder(root).digest() == before
