"""Each kind of damage is named for its file; whole clips pass with their facts."""

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from spfem.corpus.clips import DamagedClip
from spfem.corpus.folder import FoundClip, walk_folder
from spfem.corpus.survey import check_clip, check_clips
from spfem.media.audio import write_audio
from spfem.media.video import read_video, write_video
from tests.corpus.made_up import RATE
from tests.media.clips import clicks, flash_frames, write_clip
from tests.media.test_clock import jittering


@pytest.fixture
def folder(tmp_path, recording):
    """A folder with a copy of the recording."""
    for path in recording:
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path


def clip(video="clip.mp4", audio="clip.m4a"):
    return FoundClip("M1", "sad", 3, "001", "s", video, audio)


def check(folder, **files):
    return check_clip(walk_folder(folder), clip(**files))


def test_whole_clip(folder):
    checked = check(folder)
    assert checked.fps == 30
    assert checked.seconds == pytest.approx(1.0)
    assert checked.remark is None
    assert check(folder, audio=None).clip.audio is None


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("clip.mp4", lambda content: b"", "empty"),
        ("clip.m4a", lambda content: b"", "empty"),
        ("clip.mp4", lambda content: content[: len(content) // 2], "truncated"),
        ("clip.m4a", lambda content: content[:-10], "truncated"),
        ("clip.mp4", lambda content: b"<html>not found</html>" * 99, "not readable as media"),
    ],
)
def test_damaged_files(folder, name, change, reason):
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    answer = check(folder)
    assert (answer.path, answer.reason, answer.used) == (name, reason, False)


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
    clips = [clip(), clip(video="bad.mp4"), clip(audio=None)] * 20
    answers = list(check_clips(walk_folder(folder), clips))
    assert [isinstance(one, DamagedClip) for one in answers] == [False, True, False] * 20
    assert answers[2].clip.audio is None
    assert answers[0].fps == Fraction(30)


def test_a_browsers_recording_has_the_rate_and_length_of_its_stamps(tmp_path):
    write_clip(
        tmp_path / "take.webm",
        flash_frames(39, 3),
        stamps=jittering(39),
        time_base=Fraction(1, 1000),
        codec="libvpx",
        options={"deadline": "realtime", "auto-alt-ref": "0"},
        muxer={"live": "1"},
        sounds=[clicks(1.3, [0.1], 48000)],
        sound_codec="libopus",
        rate=48000,
    )
    checked = check(tmp_path, video="take.webm", audio=None)
    assert checked.fps == 30
    assert checked.seconds == pytest.approx(1.3)
