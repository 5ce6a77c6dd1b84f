"""What `--corpus` may say; recordings listed once, and anew when they changed; own clips."""

import json

import pytest

from spfem.corpus.clips import open_corpus
from spfem.corpus.folder import walk_folder
from spfem.corpus.protocol import edit_protocol
from spfem.errors import SettingsError
from spfem.files import project_folder
from spfem.run import corpora as listing
from spfem.run.corpora import choose_corpus, list_recordings
from spfem.run.data import make_corpus, make_faces, make_pairs
from spfem.run.workspace import open_workspace
from tests.corpus.made_up import (
    Take,
    lay_out_mead,
    lay_out_table,
    put,
    record,
    takes_of,
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return record(tmp_path_factory.mktemp("recording"))


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
    monkeypatch.setattr(listing, "survey_folder", None)  # must not be asked for again
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


def test_names_and_folders(tmp_path):
    data = tmp_path / "data"
    (data / "mead").mkdir(parents=True)
    (tmp_path / "My Clips (2)").mkdir()
    assert choose_corpus("synthetic", data, tmp_path) == ("synthetic", None)
    assert choose_corpus("mead", data, tmp_path) == ("mead", data / "mead")
    own = "my-clips-2", tmp_path / "My Clips (2)"
    assert choose_corpus("My Clips (2)", data, tmp_path) == own
    assert choose_corpus(str(own[1]), data, tmp_path) == own
    assert choose_corpus("My Clips (2)/", data, tmp_path) == own


def test_refused(tmp_path):
    (tmp_path / "Synthetic").mkdir()
    (tmp_path / "...").mkdir()
    for corpus, message in (
        ("ravdess", "no folder"),
        ("nowhere", "'nowhere' is unknown"),
        ("./Synthetic", "rename the folder"),
        ("...", "an empty name"),
    ):
        with pytest.raises(SettingsError, match=message):
            choose_corpus(corpus, tmp_path, tmp_path)


OWN_NAMES = {"M001": "Ada", "M003": "Łucja", "W002": "Bo B."}


@pytest.mark.slow
def test_a_folder_of_own_clips(tmp_path):
    embedded = project_folder() / "data/synthetic-smoke/corpus"
    if not embedded.is_dir():
        pytest.skip("needs the embedded corpus: bash run_all.sh --scale smoke --only 01")
    takes = [
        Take(OWN_NAMES[clip.actor], clip.emotion, int(clip.number), clip.video, clip.audio)
        for clip in open_corpus(embedded).clips
        if clip.actor in OWN_NAMES and clip.emotion in ("neutral", "happy")
    ]
    root = lay_out_table(tmp_path / "Eigene Clips", takes)
    bad = root / "meine Aufnahmen" / "Clip Nº 0 süß.mp4"
    content = bad.read_bytes()
    bad.unlink()  # the embedded clip has the same bytes on disk
    bad.write_bytes(content[: len(content) // 2])
    before = walk_folder(root).digest()  # of names, sizes and times
    workspace = open_workspace(
        "x", corpus=str(root), scale="smoke", data=tmp_path, figures=tmp_path / "figures"
    )
    corpus = make_corpus(workspace)
    assert workspace.data == tmp_path / "eigene-clips-smoke"
    assert len(corpus.clips) == len(takes) - 1
    assert "truncated" in {one.reason for one in corpus.damaged}
    assert not corpus.has_truth
    assert set(make_faces(workspace)) == {clip.key for clip in corpus.clips}
    assert {pair.actor for pair in make_pairs(workspace).pairs} <= set(OWN_NAMES.values())
    with pytest.warns(UserWarning, match="edits are left out"):
        edits = edit_protocol(corpus)
    assert {edit.emotion for edit in edits} == {"neutral", "happy"}
    assert walk_folder(root).digest() == before
