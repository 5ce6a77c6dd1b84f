"""A folder of recordings looked through: what is found, left out and named; nothing changes."""

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from spfem.corpus.clips import Clip, DamagedClip, save_corpus
from spfem.corpus.folder import walk_folder
from spfem.corpus.survey import check_clip, check_clips, survey_folder, why_cut_off
from spfem.errors import CorpusError
from spfem.media.audio import write_audio
from spfem.media.video import read_video, write_video
from spfem.settings import EMOTIONS
from tests.corpus.made_up import (
    RATE,
    lay_out_asccl,
    lay_out_mead,
    lay_out_ravdess,
    lay_out_table,
    put,
    record,
    takes_of,
)
from tests.media.clips import clicks, write_browser_clip


def survey(root):
    return survey_folder(walk_folder(root))


def state(root):
    stats = {path: path.stat() for path in root.rglob("*")}
    return {path: (one.st_size, one.st_mtime_ns, one.st_mode) for path, one in stats.items()}


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
        found = survey(root)
        corpus = found.corpus()
        assert state(root) == before
        assert (found.kind, corpus.name, corpus.fps) == (kind, name, 30)
        assert not found.damaged
        assert len(corpus.clips) == len(chosen)
        assert len({clip.sentence for clip in corpus.clips}) == sentences
        assert set(corpus.roles.values()) == {"train", "held_out", "target"}
        assert not corpus.has_truth
        assert len(read_video(corpus.clips[0].video).frames) == 30


def test_digest_follows_content_only(tmp_path, recording):
    takes = takes_of(*recording, ["M003", "M005"], numbers=(1,))
    root = lay_out_mead(tmp_path / "one", takes)
    before = survey(root).digest()
    shutil.copytree(root, tmp_path / "two/deeper")
    for path in (tmp_path / "two").rglob("*.mp4"):
        os.utime(path, (1, 1))
    assert survey(tmp_path / "two").digest() == before
    other = record(tmp_path, seconds=1.2)
    shutil.copyfile(other[0], tmp_path / "two/deeper/M003/video/front/sad/level_3/001.mp4")
    assert survey(tmp_path / "two").digest() != before


def test_clips_of_another_rate_are_left_out(tmp_path, recording):
    root = lay_out_mead(tmp_path / "mead", takes_of(*recording, ["M003", "M005"], numbers=(1,)))
    video = root / "M003/video/front/sad/level_3/001.mp4"
    video.unlink()
    (tmp_path / "slow").mkdir()
    shutil.copyfile(record(tmp_path / "slow", fps=25)[0], video)
    found = survey(root)
    problems = {(one.path, one.reason): one for one in found.damaged}
    assert set(problems) == {
        ("M003/video/front/sad/level_3/001.mp4", "another frame rate"),
        ("M003/sad", "missing emotion"),
    }
    assert "-r 30" in problems["M003/video/front/sad/level_3/001.mp4", "another frame rate"].details
    assert len(found.clips) == 2 * len(EMOTIONS) - 1


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
    replace("M003/audio/fear/level_3/002.m4a", recording[1].read_bytes()[:-10])
    replace("copy of/M003/video/front/angry/level_3/001.mp4", content)
    replace("M005/audio/sad/level_3/077.m4a", recording[1].read_bytes())
    replace("M005/video/front/sad/level_3/ünder the  sea.mp4", content)  # odd, but no damage
    replace("M005/audio/sad/level_3/ünder the  sea.m4a", recording[1].read_bytes())
    for name in ("._001.mp4", "Thumbs.db", "004.mp4.part", ".005.mp4"):
        replace(f"M005/video/front/sad/level_3/{name}", b"x")
    (fronts / "again").symlink_to(root)
    (fronts / "neutral/level_1/003.mp4").mkdir()
    os.mkfifo(fronts / "neutral/level_1/004.mp4")
    found = survey(root)
    assert {(one.path.removeprefix("M003/video/front/"), one.reason) for one in found.damaged} == {
        ("sad/level_3/001.mp4", "truncated"),
        ("sad/level_3/002.mp4", "empty"),
        ("happy/level_3/001.mp4", "not readable as media"),
        ("happy/level_3/003.docx", "wrong extension"),
        ("M003/audio/fear/level_3/001.m4a", "empty"),
        ("M003/audio/fear/level_3/002.m4a", "truncated"),
        ("copy of/M003/video/front/angry/level_3/001.mp4", "duplicate"),
        ("M005/audio/sad/level_3/077.m4a", "no video"),
        ("again", "link loop"),
        ("neutral/level_1/003.mp4", "folder in place of a file"),
        ("neutral/level_1/004.mp4", "unreadable"),
        ("M003/sad", "missing emotion"),
        ("M003/fear", "missing emotion"),
    }
    whole = 3 * 2 * len(EMOTIONS)
    assert len(found.clips) == whole - 5 + 1
    assert found.ignored == 4
    assert "M005/sad/level_3/ünder the  sea" in {one.clip.key for one in found.clips}


@pytest.mark.slow
def test_a_hundred_thousand_files(tmp_path, recording):
    root = lay_out_mead(tmp_path, takes_of(*recording, ["M003", "M005"]))
    for actor in range(100):
        folder = root / f"M{actor:03d}/video/front/sad/level_2"
        folder.mkdir(parents=True)
        for number in range(1000):
            (folder / f"{number:04d}.mp4").touch()
    found = survey(root)
    assert found.unused == {"other levels than 1 (neutral) and 3": 100_000}
    assert len(found.clips) == 4 * len(EMOTIONS)
    assert not found.damaged


def test_own_clips_never_pass_for_a_published_corpus(tmp_path, recording):
    root = lay_out_table(tmp_path / "mead", takes_of(*recording, ["A", "B"], numbers=(1,)))
    assert survey(root).name == "own mead"
    laid_out = lay_out_mead(tmp_path / "ours", takes_of(*recording, ["A", "B"], numbers=(1,)))
    found = survey(laid_out)
    assert (found.kind, found.name) == ("mead", "ours")


@pytest.fixture
def folder(tmp_path, recording):
    """A folder with a copy of the recording."""
    for path in recording:
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path


def clip(folder, video="clip.mp4", audio="clip.m4a"):
    files = folder / video, folder / audio if audio else None
    return Clip(folder, "M1", "sad", 3, "001", "s", *files)


def check(folder, **files):
    return check_clip(walk_folder(folder), clip(folder, **files))


def test_whole_clip(folder):
    checked = check(folder)
    assert checked.fps == 30
    assert checked.seconds == pytest.approx(1.0)
    assert checked.remark is None
    assert check(folder, audio=None).remark is None


def test_sound_in_place_of_a_video_and_the_reverse(folder):
    assert check(folder, video="clip.m4a").reason == "no video track"
    silent = folder / "silent.mp4"
    write_video(silent, read_video(folder / "clip.mp4").frames, 30)
    assert check(folder, video="silent.mp4", audio=None).reason == "no sound"
    assert check(folder, audio="silent.mp4").reason == "no sound"


def test_unequal_lengths(folder):
    sound = read_video(folder / "clip.mp4").audio
    write_audio(folder / "clip.m4a", sound[: RATE * 6 // 10], RATE)
    answer = check(folder)
    assert answer.remark == DamagedClip(
        "clip.m4a", "audio shorter than video", answer.remark.details, used=True
    )
    write_audio(folder / "clip.m4a", sound[: RATE // 5], RATE)
    assert check(folder).reason == "audio shorter than video"
    write_audio(folder / "clip.m4a", list(sound) * 3, RATE)
    answer = check(folder)
    assert (answer.reason, answer.used) == ("audio longer than video", False)


def test_file_that_cannot_be_read(folder, monkeypatch):
    real = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "clip.m4a":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    answer = check(folder)
    assert (answer.path, answer.reason) == ("clip.m4a", "unreadable")


def test_one_bad_clip_keeps_no_other_back_and_the_order_stays(folder):
    (folder / "bad.mp4").write_bytes(b"")
    clips = [clip(folder), clip(folder, video="bad.mp4"), clip(folder, audio=None)] * 20
    answers = list(check_clips(walk_folder(folder), clips))
    assert [isinstance(one, DamagedClip) for one in answers] == [False, True, False] * 20
    assert answers[2].clip.audio_file is None
    assert answers[0].fps == Fraction(30)


def test_a_browsers_recording_has_the_rate_and_length_of_its_stamps(tmp_path):
    sounds = [clicks(1.3, [0.1], 48000)]
    write_browser_clip(tmp_path / "take.webm", 39, sounds=sounds, sound_codec="libopus", rate=48000)
    checked = check(tmp_path, video="take.webm", audio=None)
    assert checked.fps == 30
    assert checked.seconds == pytest.approx(1.3)


@pytest.fixture(params=["index last", "index first"])
def whole(request, tmp_path):
    """An mp4 file as cameras write it, or made for the web."""
    path = tmp_path / "whole.mp4"
    options = {"movflags": "faststart"} if request.param == "index first" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    return path


def test_cut_files_are_told_from_whole_ones_wherever_they_are_cut(whole, tmp_path):
    assert why_cut_off(whole) == ""
    content, cut = whole.read_bytes(), tmp_path / "cut.mp4"
    for length in range(40, len(content), 97):
        cut.write_bytes(content[:length])
        assert why_cut_off(cut), length
    if content.index(b"moov") > content.index(b"mdat"):
        # Reserved, but never filled.
        cut.write_bytes(content[: content.index(b"moov") - 4].ljust(len(content), b"\0"))
        assert "moov" in why_cut_off(cut)


def test_other_formats_are_left_to_the_decoder(tmp_path):
    path = tmp_path / "really.mp4"
    path.write_bytes(b"RIFF\x10\0\0\0AVI LIST" + b"x" * 64)
    assert why_cut_off(path) == ""


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
    found = survey(listed.root)
    assert found.kind == "list"
    assert found.roles == listed.roles
    opened = found.corpus()
    assert [(clip.key, clip.video, clip.audio) for clip in opened.clips] == [
        (clip.key, clip.video, clip.audio) for clip in listed.clips
    ]
    assert not opened.has_truth
    (listed.root / "truth").mkdir()
    assert opened.has_truth


def test_lost_files_and_a_damaged_list(listed):
    listed.clips[0].audio.unlink()
    found = survey(listed.root)
    assert len(found.clips) == 3
    assert ("A/audio/sad/level_3/1.m4a", "missing") in {
        (one.path, one.reason) for one in found.damaged
    }
    (listed.root / "corpus.json").write_text("{")
    with pytest.raises(CorpusError, match="is damaged"):
        survey(listed.root)
