"""Reports of files: good ones, damaged ones, overlays to look at."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.__main__ import main
from spfem.errors import InputError
from spfem.media.video import read_video
from spfem.run.track_report import clip_names, find_videos, in_words, report_tracks
from spfem.settings import FaceSettings
from tests.edit.made_up import speaking_frames, write_clip
from tests.media.clips import changing_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    write_clip(root / "a" / "own clip é.mp4", speaking_frames(12, 160))
    write_clip(root / "b" / "empty.mp4", np.zeros((6, 64, 64, 3), np.uint8))
    (root / "b" / "cut.mp4").write_bytes(b"no video")
    changing_pictures(root / "b").rename(root / "b" / "growing.mkv")
    (root / "b" / "whole.mkv").unlink()
    (root / "b" / "notes.txt").write_text("not a clip")
    return root


@pytest.fixture(scope="module")
def made(folder):
    videos = find_videos([folder])
    return report_tracks(videos, FaceSettings(), overlays=folder / "out"), folder / "out"


def test_one_row_a_clip_and_problems_named(made):
    report, _ = made
    assert sorted(report["clip"]) == ["a-own clip é", "b-cut", "b-empty", "b-growing"]
    rows = report.set_index("clip")
    assert rows.problem["a-own clip é"] == ""
    assert "no face" in rows.problem["b-empty"]
    assert "cut.mp4" in rows.problem["b-cut"]
    assert "picture changes from 64 x 48 to 64 x 96" in rows.problem["b-growing"]
    good = rows.loc["a-own clip é"]
    assert good.found == 1.0
    assert 0 < good.error_median < 6
    assert good.frames_per_second > 0
    assert good.cpu_ms_per_frame > 0


def test_overlay_has_every_frame_with_a_caption(made):
    _, out = made
    assert [path.name for path in out.iterdir()] == ["a-own clip é.mp4"]
    video = read_video(out / "a-own clip é.mp4")
    assert len(video.frames) == 12
    assert video.frames.shape[1] > 480  # enlarged, and a strip under it
    assert video.audio is not None
    strip = video.frames[0, -44:]
    assert strip.min() < 80 < 240 < strip.max()  # dark letters on white


def test_the_command_writes_the_report(made, folder, tmp_path, monkeypatch, capsys):
    report, _ = made
    asked = []

    def track(videos, settings, **options):
        asked.append(options)
        return report

    monkeypatch.setattr("spfem.run.track_report.report_tracks", track)
    words = ["track", str(folder), "--out", str(tmp_path), "--no-videos", "--processes", "1"]
    assert main(words) == 0
    assert asked == [{"overlays": None, "processes": 1}]
    assert len((tmp_path / "tracking.csv").read_text().splitlines()) == 5
    said = capsys.readouterr().out
    assert "b-cut: " in said
    assert "1 of 4 clips" in said
    assert main(["track", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 1


def test_words_count_what_was_seen(made):
    report, _ = made
    text = in_words(report, 2)
    assert text.startswith("1 of 4 clips, 12 frames: a face in 100.00%")
    assert "could be tracked" in in_words(report[report.problem != ""], 2)


def test_names_are_unlike(tmp_path):
    paths = [tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4", tmp_path / "x" / "a.avi"]
    assert len(set(clip_names(paths))) == 3
    assert clip_names([tmp_path / "one.mp4"]) == ["one"]


def test_places_that_hold_nothing(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        find_videos([tmp_path / "missing"])
    with pytest.raises(InputError, match="no video"):
        find_videos([tmp_path])
