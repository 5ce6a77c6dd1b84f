"""A folder with `clips.csv`: every row is a clip or a named problem."""

import unicodedata

import pytest

from spfem.corpus.folder import walk_folder
from spfem.corpus.layouts import find_listed_in_table
from spfem.errors import CorpusError

HEAD = "clip,actor,emotion,sentence,path"


def find(root, *lines, head=HEAD, encoding="utf-8"):
    (root / "clips.csv").write_text("\n".join((head, *lines)) + "\n", encoding=encoding)
    return find_listed_in_table(walk_folder(root))


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mp4", "a.wav", "sub/größe ü.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_rows(folder):
    found = find(
        folder,
        "one,Zoë B,Anger,hello there,a.mp4,2,a.wav,target",
        f"two,Zoë B,neutral,hello there,{unicodedata.normalize('NFD', 'sub/größe ü.mp4')},,,",
        head=HEAD + ",level,audio,role",
    )
    one, two = found.clips
    assert one.key == "Zoë B/angry/level_2/one"
    assert (one.audio, one.role, one.sentence) == ("a.wav", "target", two.sentence)
    assert (two.level, two.audio, two.role, two.video) == (1, None, None, "sub/größe ü.mp4")
    assert not found.damaged


@pytest.mark.parametrize(
    ("head", "encoding"),
    [(HEAD, "utf-8-sig"), (HEAD.replace(",", ";"), "utf-8"), (HEAD.replace(",", "\t"), "utf-8")],
)
def test_what_spreadsheets_write(folder, head, encoding):
    mark = head[4]
    line = mark.join(("1", "A", "sad", "s", "a.mp4"))
    assert len(find(folder, line, head=head, encoding=encoding).clips) == 1


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
    found = find(folder, line, "2,A,sad,s,a.mp4")
    assert [(one.path, one.reason) for one in found.damaged] == [("clips.csv line 2", reason)]
    assert [clip.number for clip in found.clips] == ["2"]


def test_two_roles_for_one_actor(folder):
    with pytest.raises(CorpusError, match=r"line 3: actor A has the role 'target'.*'train'"):
        find(
            folder,
            "1,A,sad,s,a.mp4,train",
            "2,A,sad,s,a.mp4,target",
            head=HEAD + ",role",
        )


def test_tables_that_cannot_be_used(folder):
    with pytest.raises(CorpusError, match="no column sentence, path"):
        find(folder, "1,A,sad", head="clip,actor,emotion")
    with pytest.raises(CorpusError, match="no column"):
        find(folder)
    with pytest.raises(CorpusError, match="cannot be read as a table"):
        find(folder, "ü", encoding="latin-1")
