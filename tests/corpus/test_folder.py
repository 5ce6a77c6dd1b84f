"""The walk: odd entries are named, the rest is found, nothing is walked twice."""

import os
import unicodedata

from spfem.corpus import folder as walk
from spfem.corpus.folder import walk_folder
from tests.corpus.made_up import touch


def reasons(content):
    return {(one.path, one.reason) for one in content.damaged}


def test_files_are_found_and_hidden_ones_passed_over(tmp_path):
    touch(tmp_path, "a b/ç.mp4", "a b/._ç.mp4", "a b/d.mp4.part", "Thumbs.db", ".git/x.mp4")
    content = walk_folder(tmp_path)
    assert set(content.files) == {"a b/ç.mp4"}
    assert content.ignored == 4
    assert not content.damaged


def test_decomposed_names_are_found_by_composed_ones(tmp_path):
    on_disk = unicodedata.normalize("NFD", "é.mp4")
    touch(tmp_path, on_disk)
    content = walk_folder(tmp_path)
    assert list(content.files) == ["é.mp4"]
    assert content.locate("é.mp4").read_bytes() == b"x"
    touch(tmp_path, "é.mp4")
    assert reasons(walk_folder(tmp_path)) == {("é.mp4", "duplicate")}


def test_loops_of_links_end(tmp_path):
    touch(tmp_path, "a/1.mp4")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to("self")
    (tmp_path / "again").symlink_to("a")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    content = walk_folder(tmp_path)
    assert list(content.files) == ["a/1.mp4"]
    assert ("a/up", "link loop") in reasons(content)
    assert ("again", "link loop") in reasons(content)
    assert ("gone.mp4", "dead link") in reasons(content)
    assert len(reasons(content)) == 4  # a link to itself is dead or unreadable, as the system says


def test_what_is_no_file(tmp_path):
    (tmp_path / "1.mp4").mkdir()
    os.mkfifo(tmp_path / "2.mp4")  # to open it would wait for ever
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.mp4"), "wb"):
        pass
    content = walk_folder(tmp_path)
    assert not content.files
    assert {reason for _, reason in reasons(content)} == {
        "folder in place of a file",
        "unreadable",
        "name is no text",
    }
    for one in content.damaged:
        one.path.encode()  # can be printed


def test_folder_that_cannot_be_read(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.mp4", "b/1.mp4")
    scan = os.scandir

    def refuse(path):
        if os.path.basename(path) == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(walk.os, "scandir", refuse)
    content = walk_folder(tmp_path)
    assert list(content.files) == ["b/1.mp4"]
    assert reasons(content) == {("a", "unreadable")}


def test_digest_follows_names_sizes_and_times(tmp_path):
    touch(tmp_path, "a.mp4")
    before = walk_folder(tmp_path).digest()
    assert walk_folder(tmp_path).digest() == before
    os.utime(tmp_path / "a.mp4", (1, 1))
    later = walk_folder(tmp_path).digest()
    touch(tmp_path, "b.mp4")
    assert len({before, later, walk_folder(tmp_path).digest()}) == 3
