"""Names that people give, and files that are no videos: read, or refused in one line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from studies.user_study import find_clips

from spfem.__main__ import main
from spfem.corpus.folder import walk_folder
from spfem.media.container import VIDEO_SUFFIXES, is_ignored
from spfem.media.video import read_video, write_video
from spfem.run.track_report import find_videos
from tests.media.clips import clicks, flash_frames, offset_milliseconds, write_clip

NAMES = (
    "take1:03.mp4", "http:take.mp4", "two  blanks .mp4", "[brackets].mp4", "100%d.mp4", "%03d.mp4",
    "-dash.mp4", "-i.mp4", "take'quote\".mp4", "ümlaut 漢字.mp4", "UPPER.MP4", "pipe|.mp4",
    "file:.mp4", "back\\slash.mp4", "new\nline.mp4", "concat:a|b.mp4",
)  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_clip(path, flash_frames(12, 6), sounds=[clicks(0.4, [0.2])])


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read_and_written(clip, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)  # relative, as people type it
    (tmp_path / name).write_bytes(clip.read_bytes())
    assert len(read_video(name).frames) == 12
    out = "out " + name
    write_video(out, flash_frames(12, 6), 30, audio_from=name)
    assert abs(offset_milliseconds(out)) < 8


def test_one_list_of_suffixes_and_one_rule_for_hidden_files(clip, tmp_path):
    root = tmp_path / "ours"
    names = ["a.MP4", "b.flv", "c.MTS", "d.webm"]
    hidden = ["._a.mp4", ".e.mp4", "f.mp4.part", "__MACOSX/a.mp4", ".Trash/a.mp4"]
    for name in [*names, *hidden, "notes.txt"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(clip.read_bytes())
    assert [path.name for path in find_videos([root])] == names
    walked = walk_folder(root)
    assert sorted(walked.files) == [*names, "notes.txt"]
    second = tmp_path / "second"
    second.mkdir()
    for name in names:
        (second / name).write_bytes(clip.read_bytes())
    found = find_clips({"one": root, "two": second})
    assert [one.name for one in found] == ["a", "b", "c", "d"]
    assert is_ignored("Thumbs.db")
    assert not is_ignored("take.mp4")
    assert {".flv", ".mts", ".mp4", ".webm"} <= set(VIDEO_SUFFIXES)


def wrong_kinds(folder):
    """Files and folders that are no video, by what is wrong with them."""
    folder.mkdir()
    picture = np.full((40, 40, 3), 90, np.uint8)
    for suffix in (".png", ".jpg", ".bmp", ".webp"):
        cv2.imwrite(str(folder / f"picture{suffix}"), picture)
    (folder / "text.txt").write_text("nothing to see\n" * 40)
    (folder / "text.mp4").write_text("nothing to see\n" * 40)
    (folder / "list.m3u8").write_text(
        "#EXTM3U\n#EXTINF:1,\nhttp://example.com/a.ts\n#EXT-X-ENDLIST\n"
    )
    (folder / "list.ffconcat").write_text("ffconcat version 1.0\nfile /etc/hostname\n")
    (folder / "subtitles.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    (folder / "table.csv").write_text("a,b\n1,2\n")
    (folder / "folder.mp4").mkdir()
    return sorted(folder.iterdir())


def test_what_is_no_video_is_refused_in_one_line_with_a_remedy(tmp_path, capsys):
    paths = wrong_kinds(tmp_path / "files")
    refused = 0
    for path in [*paths, tmp_path / "files"]:
        words = ["edit", path, "--emotion", "sad", "--out", tmp_path / "out.mp4"]
        assert main([*map(str, words)]) == 1
        message = capsys.readouterr().err
        assert message.startswith(f"spfem: InputError: {path}"), message
        assert message.count("\n") == 1
        assert "disk" not in message
        assert "give" in message or "convert it" in message
        refused += 1
    assert refused == 12
