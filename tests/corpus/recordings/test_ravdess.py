"""RAVDESS: seven of its eight emotions, two statements, sound inside the video or beside it."""

from spfem.corpus.folder import walk_folder
from spfem.corpus.layouts import find_ravdess
from spfem.settings import EMOTIONS


def find(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return find_ravdess(walk_folder(root))


def test_every_emotion_and_statement(tmp_path):
    names = [
        f"Actor_01/01-01-{emotion:02d}-{1 if emotion == 1 else 2:02d}-{statement:02d}-01-01.mp4"
        for emotion in range(1, 9)
        for statement in (1, 2)
    ]
    found = find(tmp_path, *names)
    assert {clip.emotion for clip in found.clips} == set(EMOTIONS)
    assert found.unused == {"emotion calm": 2}
    by_key = {clip.key: clip for clip in found.clips}
    assert set(by_key) >= {"Actor_01/neutral/level_1/111", "Actor_01/happy/level_2/221"}
    happy, neutral = by_key["Actor_01/happy/level_2/221"], by_key["Actor_01/neutral/level_1/121"]
    assert happy.sentence == neutral.sentence != by_key["Actor_01/happy/level_2/211"].sentence
    assert happy.video == "Actor_01/01-01-03-02-02-01-01.mp4"
    assert happy.audio is None


def test_sound_beside_a_silent_video(tmp_path):
    found = find(
        tmp_path,
        "Video_Speech_Actor_02/Actor_02/02-01-04-02-01-02-02.mp4",
        "Audio_Speech/Actor_02/03-01-04-02-01-02-02.wav",
        "Audio_Speech/Actor_02/03-01-05-02-01-02-02.wav",
    )
    (clip,) = found.clips
    assert clip.key == "Actor_02/sad/level_2/212"
    assert clip.audio == "Audio_Speech/Actor_02/03-01-04-02-01-02-02.wav"
    assert [(one.path[-24:], one.reason) for one in found.damaged] == [
        ("03-01-05-02-01-02-02.wav"[-24:], "no video")
    ]


def test_what_is_not_used_or_wrong(tmp_path):
    found = find(
        tmp_path,
        "Actor_02/01-02-04-02-01-01-02.mp4",
        "Actor_02/01-01-04-01-01-01-02.mp4",
        "Actor_02/01-01-04-02-01-01-02.wav",
        "copy/Actor_02/01-01-04-02-01-02-02.mp4",
        "Actor_02/01-01-04-02-01-02-02.mp4",
        "Actor_02/readme.mp4",
    )
    assert found.unused == {"song": 1, "other intensities than normal (neutral) and strong": 1}
    assert {one.reason for one in found.damaged} == {"wrong extension", "duplicate"}
    assert len(found.clips) == 1
