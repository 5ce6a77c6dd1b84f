"""MEAD as released and as people keep it: what is used, what the words of a number are."""

import pytest

from spfem.corpus.folder import walk_folder
from spfem.corpus.layouts import find_mead


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def find(root, *names):
    write(root, *names)
    return find_mead(walk_folder(root))


def test_released_layout(tmp_path):
    found = find(
        tmp_path,
        "M003/video/front/neutral/level_1/001.mp4",
        "M003/video/front/angry/level_3/001.mp4",
        "M003/video/front/angry/level_3/017.mp4",
        "M003/audio/neutral/level_1/001.m4a",
        "M003/audio/angry/level_3/001.m4a",
    )
    assert [(clip.key, clip.sentence, clip.audio) for clip in found.clips] == [
        ("M003/angry/level_3/001", "shared-001", "M003/audio/angry/level_3/001.m4a"),
        ("M003/angry/level_3/017", "angry-017", None),
        ("M003/neutral/level_1/001", "shared-001", "M003/audio/neutral/level_1/001.m4a"),
    ]
    assert not found.damaged
    assert not found.unused


@pytest.mark.parametrize(
    ("video", "audio"),
    [
        ("M003/front/sad/level_3/002.mp4", "M003/sad/level_3/002.m4a"),
        (
            "MEAD/part 1/M003/video/front/sad/level_3/002.mp4",
            "sound/M003/audio/sad/level_3/002.wav",
        ),
        ("M003/video/front/sad/level_3/002.avi", "M003/audio/sad/level_3/002.mp3"),
    ],
)
def test_variants(tmp_path, video, audio):
    (clip,) = find(tmp_path, video, audio).clips
    assert (clip.key, clip.video, clip.audio) == ("M003/sad/level_3/002", video, audio)


def test_late_shared_sentences_of_disgusted(tmp_path):
    names = [
        f"{actor}/video/front/{emotion}/level_3/{number}.mp4"
        for actor, last in (("M003", "030"), ("M005", "029"))
        for emotion in ("disgusted", "happy")
        for number in ("001", "028", last)
    ]
    words = {clip.key: clip.sentence for clip in find(tmp_path, *names).clips}
    assert words["M003/disgusted/level_3/028"] == "shared-001"
    assert words["M003/disgusted/level_3/030"] == "shared-003"
    assert words["M003/disgusted/level_3/001"] == "disgusted-001"
    assert words["M003/happy/level_3/001"] == "shared-001"
    assert words["M003/happy/level_3/030"] == "happy-030"
    assert words["M005/disgusted/level_3/001"] == "shared-001"
    assert words["M005/disgusted/level_3/028"] == "disgusted-028"


def test_duplicates_strangers_and_lonely_sound(tmp_path):
    found = find(
        tmp_path,
        "M003/video/front/sad/level_3/001.mp4",
        "copy/M003/video/front/sad/level_3/001.mp4",
        "M003/video/front/sad/level_3/002.txt",
        "M003/audio/sad/level_3/009.m4a",
    )
    assert [clip.video for clip in found.clips] == ["M003/video/front/sad/level_3/001.mp4"]
    assert {(one.path, one.reason) for one in found.damaged} == {
        ("copy/M003/video/front/sad/level_3/001.mp4", "duplicate"),
        ("M003/video/front/sad/level_3/002.txt", "wrong extension"),
        ("M003/audio/sad/level_3/009.m4a", "no video"),
    }
