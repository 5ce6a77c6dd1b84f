"""A whole folder of recordings: what is found, left out and reported; nothing in it changes."""

import os
import shutil

import pytest

from spfem.corpus.clips import Corpus
from spfem.corpus.survey import survey_folder
from spfem.media.video import read_video
from spfem.settings import EMOTIONS
from tests.corpus.made_up import (
    lay_out_asccl,
    lay_out_mead,
    lay_out_ravdess,
    lay_out_table,
    record,
    takes_of,
)


def state(root):
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_mode)
        for path in root.rglob("*")
    }


def test_each_layout_gives_a_corpus(tmp_path, recording):
    takes = takes_of(*recording, ["M003", "M005", "W021"])
    own = takes_of(*recording, ["Zoë", "Łukasz B", "李"], numbers=(1, 2, 4))
    actors = takes_of(*recording, ["Actor_01", "Actor_09", "Actor_24"], numbers=(1, 2, 3, 4))
    few = [take for take in takes if take.number == 1]
    for lay_out, chosen, kind, name, sentences in (
        (lay_out_mead, takes, "mead", "mead", 2),
        (lay_out_ravdess, actors, "ravdess", "ravdess", 2),
        (lay_out_table, own, "table", "lay_out_table", 2 + len(EMOTIONS)),
        (lay_out_asccl, few, "asccl", "mead", 1),
    ):
        root = lay_out(tmp_path / lay_out.__name__, chosen)
        before = state(root)
        survey = survey_folder(root)
        corpus = survey.corpus()
        assert state(root) == before
        assert (survey.kind, corpus.name, corpus.fps) == (kind, name, 30)
        assert not survey.damaged
        assert len(corpus.clips) == len(chosen)
        assert {clip.sentence for clip in corpus.clips} == {
            one.clip.sentence for one in survey.clips
        }
        assert len({clip.sentence for clip in corpus.clips}) == sentences
        assert set(corpus.roles.values()) == {"train", "held_out", "target"}
        assert not corpus.has_truth
        assert len(read_video(corpus.clips[0].video).frames) == 30
        assert isinstance(corpus, Corpus)


def test_digest_follows_content_only(tmp_path, recording):
    takes = takes_of(*recording, ["M003", "M005"], numbers=(1,))
    root = lay_out_mead(tmp_path / "one", takes)
    before = survey_folder(root).digest()
    shutil.copytree(root, tmp_path / "two/deeper")
    for path in (tmp_path / "two").rglob("*.mp4"):
        os.utime(path, (1, 1))
    assert survey_folder(tmp_path / "two").digest() == before
    other = record(tmp_path, seconds=1.2)
    shutil.copyfile(other[0], tmp_path / "two/deeper/M003/video/front/sad/level_3/001.mp4")
    assert survey_folder(tmp_path / "two").digest() != before


def test_clips_of_another_rate_are_left_out(tmp_path, recording):
    root = lay_out_mead(tmp_path / "mead", takes_of(*recording, ["M003", "M005"], numbers=(1,)))
    video = root / "M003/video/front/sad/level_3/001.mp4"
    video.unlink()
    (tmp_path / "slow").mkdir()
    shutil.copyfile(record(tmp_path / "slow", fps=25)[0], video)
    survey = survey_folder(root)
    problems = {(one.path, one.reason): one for one in survey.damaged}
    assert set(problems) == {
        ("M003/video/front/sad/level_3/001.mp4", "another frame rate"),
        ("M003/sad", "missing emotion"),
    }
    assert "-r 30" in problems["M003/video/front/sad/level_3/001.mp4", "another frame rate"].details
    assert len(survey.clips) == 2 * len(EMOTIONS) - 1


def test_hostile_folder(tmp_path, recording):
    """Every kind of damage at once: each in the table, the rest processed, nothing lost."""
    root = lay_out_mead(tmp_path / "mead", takes_of(*recording, ["M003", "M005", "W021"]))
    fronts = root / "M003/video/front"
    content = recording[0].read_bytes()

    def replace(name, data):
        path = root / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    replace("M003/video/front/sad/level_3/001.mp4", content[: len(content) // 2])
    replace("M003/video/front/sad/level_3/002.mp4", b"")
    replace("M003/video/front/happy/level_3/001.mp4", b"no video at all" * 50)
    replace("M003/video/front/happy/level_3/003.docx", content)
    replace("M003/audio/fear/level_3/001.m4a", b"")
    replace("copy of/M003/video/front/angry/level_3/001.mp4", content)
    replace("M005/audio/sad/level_3/077.m4a", recording[1].read_bytes())
    replace("M005/video/front/sad/level_3/ünder the  sea.mp4", content)  # odd, but no damage
    replace("M005/audio/sad/level_3/ünder the  sea.m4a", recording[1].read_bytes())
    for name in ("._001.mp4", "Thumbs.db", "004.mp4.part", ".005.mp4"):
        replace(f"M005/video/front/sad/level_3/{name}", b"x")
    (fronts / "again").symlink_to(root)
    (fronts / "gone.mp4").symlink_to(tmp_path / "gone.mp4")
    (fronts / "neutral/level_1/003.mp4").mkdir()
    os.mkfifo(fronts / "neutral/level_1/004.mp4")
    survey = survey_folder(root)
    assert {(one.path.removeprefix("M003/video/front/"), one.reason) for one in survey.damaged} == {
        ("sad/level_3/001.mp4", "truncated"),
        ("sad/level_3/002.mp4", "empty"),
        ("happy/level_3/001.mp4", "not readable as media"),
        ("happy/level_3/003.docx", "wrong extension"),
        ("M003/audio/fear/level_3/001.m4a", "empty"),
        ("copy of/M003/video/front/angry/level_3/001.mp4", "duplicate"),
        ("M005/audio/sad/level_3/077.m4a", "no video"),
        ("again", "link loop"),
        ("gone.mp4", "dead link"),
        ("neutral/level_1/003.mp4", "folder in place of a file"),
        ("neutral/level_1/004.mp4", "unreadable"),
        ("M003/sad", "missing emotion"),
    }
    whole = 3 * 2 * len(EMOTIONS)
    assert len(survey.clips) == whole - 4 + 1
    assert survey.ignored == 4
    assert "M005/sad/level_3/ünder the  sea" in {one.clip.key for one in survey.clips}


@pytest.mark.slow
def test_a_hundred_thousand_files(tmp_path, recording):
    root = lay_out_mead(tmp_path, takes_of(*recording, ["M003", "M005"]))
    for actor in range(100):
        folder = root / f"M{actor:03d}/video/front/sad/level_2"
        folder.mkdir(parents=True)
        for number in range(1000):
            (folder / f"{number:04d}.mp4").touch()
    survey = survey_folder(root)
    assert survey.unused == {"other levels than 1 (neutral) and 3": 100_000}
    assert len(survey.clips) == 4 * len(EMOTIONS)
    assert not survey.damaged


def test_own_clips_never_pass_for_a_published_corpus(tmp_path, recording):
    root = lay_out_table(tmp_path / "mead", takes_of(*recording, ["A", "B"], numbers=(1,)))
    assert survey_folder(root).name == "own mead"
    laid_out = lay_out_mead(tmp_path / "ours", takes_of(*recording, ["A", "B"], numbers=(1,)))
    assert (survey_folder(laid_out).kind, survey_folder(laid_out).name) == ("mead", "ours")
