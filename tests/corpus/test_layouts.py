"""Which clips each layout has: MEAD, RAVDESS, a table; what is unused, what is wrong."""

import unicodedata

import pytest

from spfem.corpus.folder import name_in, walk_folder
from spfem.corpus.layouts import find_listed_in_table, find_mead, find_ravdess
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS
from tests.corpus.made_up import touch


def files_of(clip):
    """Names of its video and of the sound beside it."""
    video, audio = clip.video, clip.audio_file
    return name_in(clip.root, video), audio and name_in(clip.root, audio)


def find(layout, root, *names):
    return layout(walk_folder(touch(root, *names)))


def test_released_layout(tmp_path):
    found = find(
        find_mead,
        tmp_path,
        "M003/video/front/neutral/level_1/001.mp4",
        "M003/video/front/angry/level_3/001.mp4",
        "M003/video/front/angry/level_3/017.mp4",
        "M003/audio/neutral/level_1/001.m4a",
        "M003/audio/angry/level_3/001.m4a",
    )
    assert [(clip.key, clip.sentence, files_of(clip)[1]) for clip in found.clips] == [
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
    (clip,) = find(find_mead, tmp_path, video, audio).clips
    assert (clip.key, *files_of(clip)) == ("M003/sad/level_3/002", video, audio)


def test_late_shared_sentences_of_disgusted(tmp_path):
    names = [
        f"{actor}/video/front/{emotion}/level_3/{number}.mp4"
        for actor, last in (("M003", "030"), ("M005", "029"))
        for emotion in ("disgusted", "happy")
        for number in ("001", "028", last)
    ]
    words = {clip.key: clip.sentence for clip in find(find_mead, tmp_path, *names).clips}
    assert words["M003/disgusted/level_3/028"] == "shared-001"
    assert words["M003/disgusted/level_3/030"] == "shared-003"
    assert words["M003/disgusted/level_3/001"] == "disgusted-001"
    assert words["M003/happy/level_3/001"] == "shared-001"
    assert words["M003/happy/level_3/030"] == "happy-030"
    assert words["M005/disgusted/level_3/001"] == "shared-001"
    assert words["M005/disgusted/level_3/028"] == "disgusted-028"


def test_duplicates_strangers_and_lonely_sound(tmp_path):
    found = find(
        find_mead,
        tmp_path,
        "M003/video/front/sad/level_3/001.mp4",
        "copy/M003/video/front/sad/level_3/001.mp4",
        "M003/video/front/sad/level_3/002.txt",
        "M003/audio/sad/level_3/009.m4a",
    )
    assert [files_of(clip)[0] for clip in found.clips] == ["M003/video/front/sad/level_3/001.mp4"]
    assert {(one.path, one.reason) for one in found.damaged} == {
        ("copy/M003/video/front/sad/level_3/001.mp4", "duplicate"),
        ("M003/video/front/sad/level_3/002.txt", "wrong extension"),
        ("M003/audio/sad/level_3/009.m4a", "no video"),
    }


def test_every_emotion_and_statement(tmp_path):
    names = [
        f"Actor_01/01-01-{emotion:02d}-{1 if emotion == 1 else 2:02d}-{statement:02d}-01-01.mp4"
        for emotion in range(1, 9)
        for statement in (1, 2)
    ]
    found = find(find_ravdess, tmp_path, *names)
    assert {clip.emotion for clip in found.clips} == set(EMOTIONS)
    assert found.unused == {"emotion calm": 2}
    by_key = {clip.key: clip for clip in found.clips}
    assert set(by_key) >= {"Actor_01/neutral/level_1/111", "Actor_01/happy/level_2/221"}
    happy, neutral = by_key["Actor_01/happy/level_2/221"], by_key["Actor_01/neutral/level_1/121"]
    assert happy.sentence == neutral.sentence != by_key["Actor_01/happy/level_2/211"].sentence
    assert files_of(happy) == ("Actor_01/01-01-03-02-02-01-01.mp4", None)


def test_sound_beside_a_silent_video(tmp_path):
    found = find(
        find_ravdess,
        tmp_path,
        "Video_Speech_Actor_02/Actor_02/02-01-04-02-01-02-02.mp4",
        "Audio_Speech/Actor_02/03-01-04-02-01-02-02.wav",
        "Audio_Speech/Actor_02/03-01-05-02-01-02-02.wav",
    )
    (clip,) = found.clips
    assert clip.key == "Actor_02/sad/level_2/212"
    assert files_of(clip)[1] == "Audio_Speech/Actor_02/03-01-04-02-01-02-02.wav"
    assert [(one.path[-24:], one.reason) for one in found.damaged] == [
        ("03-01-05-02-01-02-02.wav"[-24:], "no video")
    ]


def test_what_is_not_used_or_wrong(tmp_path):
    found = find(
        find_ravdess,
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


HEAD = "clip,actor,emotion,sentence,path"


def read(root, *lines, head=HEAD, encoding="utf-8"):
    (root / "clips.csv").write_text("\n".join((head, *lines)) + "\n", encoding=encoding)
    return find_listed_in_table(walk_folder(root))


@pytest.fixture
def folder(tmp_path):
    apart = unicodedata.normalize("NFD", "sub/größe ü.mp4")  # as macOS stores it
    return touch(tmp_path, "a.mp4", "a.wav", apart)


def test_rows(folder):
    found = read(
        folder,
        "one,Zoë B,Anger,hello there,a.mp4,2,a.wav,target",
        "two,Zoë B,neutral,hello there,sub/größe ü.mp4,,,",
        head=HEAD + ",level,audio,role",
    )
    one, two = found.clips
    assert one.key == "Zoë B/angry/level_2/one"
    assert files_of(one) == ("a.mp4", "a.wav")
    assert one.sentence == two.sentence
    assert (two.level, *files_of(two)) == (1, "sub/größe ü.mp4", None)
    assert two.video.is_file()
    assert found.roles == {"Zoë B": "target"}
    assert not found.damaged


@pytest.mark.parametrize(
    ("head", "encoding"),
    [(HEAD, "utf-8-sig"), (HEAD.replace(",", ";"), "utf-8"), (HEAD.replace(",", "\t"), "utf-8")],
)
def test_what_spreadsheets_write(folder, head, encoding):
    mark = head[4]
    line = mark.join(("1", "A", "sad", "s", "a.mp4"))
    assert len(read(folder, line, head=head, encoding=encoding).clips) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,A,sad,s,../other.mp4", "path outside"),
        ("1,A,sad,s,/etc/passwd", "path outside"),
        ("1,A,sad,s,sub/../../x.mp4", "path outside"),
        ("1,A,sad,s,gone.mp4", "missing"),
        ("1,A,moody,s,a.mp4", "unknown emotion"),
        ("1,,sad,s,a.mp4", "empty cell"),
        ("1,A", "empty cell"),
        ("../1,A,sad,s,a.mp4", "bad name"),
        ("1,..,sad,s,a.mp4", "bad name"),
        ("1,A\\B,sad,s,a.mp4", "bad name"),
    ],
)
def test_bad_rows_are_named_and_the_rest_is_used(folder, line, reason):
    found = read(folder, line, "2,A,sad,s,a.mp4")
    assert [(one.path, one.reason) for one in found.damaged] == [("clips.csv line 2", reason)]
    assert [clip.number for clip in found.clips] == ["2"]


def test_two_roles_for_one_actor(folder):
    with pytest.raises(CorpusError, match=r"line 3: actor A has the role 'target'.*'train'"):
        read(
            folder,
            "1,A,sad,s,a.mp4,train",
            "2,A,sad,s,a.mp4,target",
            head=HEAD + ",role",
        )


def test_tables_that_cannot_be_used(folder):
    with pytest.raises(CorpusError, match="no column sentence, path"):
        read(folder, "1,A,sad", head="clip,actor,emotion")
    with pytest.raises(CorpusError, match="no column"):
        read(folder)
    with pytest.raises(CorpusError, match="cannot be read as a table"):
        read(folder, "ü", encoding="latin-1")
