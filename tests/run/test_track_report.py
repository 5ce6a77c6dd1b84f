"""Quality of tracks against planted noise and gaps; reports of good and damaged files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.__main__ import main
from spfem.errors import InputError
from spfem.face.landmarks import interocular_distance
from spfem.head import load_head_model
from spfem.media.video import read_video
from spfem.run.track_report import (
    clip_names,
    find_videos,
    in_words,
    jitter,
    longest_run,
    report_tracks,
    track_quality,
)
from spfem.settings import FaceSettings
from tests.edit.made_up import speaking_frames, write_clip
from tests.face.planted import planted_clip, planted_track
from tests.media.clips import changing_pictures


@pytest.fixture(scope="module")
def head():
    return load_head_model()


def _track(planted):
    return planted_track(planted, np.zeros((len(planted.tracked.found), 64, 64, 3), np.uint8))


def _still_and_moving(noise: float, frames: int = 400) -> np.ndarray:
    random = np.random.default_rng(1)
    time = np.arange(frames)
    path = np.where(time < frames // 2, 0.0, 40 * np.sin((time - frames // 2) / 9.0))
    curves = np.stack([path, 0 * path], axis=-1)[:, None] + np.zeros((1, 30, 1))
    return curves + random.normal(0, noise, curves.shape)


@pytest.mark.parametrize("noise", [0.05, 0.5, 2.0])
def test_jitter_is_the_planted_noise(noise):
    curves = _still_and_moving(noise)
    # In two coordinates the distance is sqrt(2) times the deviation of each.
    assert jitter(curves, np.ones(len(curves), bool)) == pytest.approx(np.sqrt(2) * noise, rel=0.06)


def test_smooth_motion_is_hardly_jitter():
    assert jitter(_still_and_moving(0.0), np.ones(400, bool)) < 1e-9


def test_jitter_skips_what_was_not_seen():
    curves, found = _still_and_moving(0.1), np.ones(400, bool)
    curves[50], found[50] = 1e6, False
    assert jitter(curves, found) == pytest.approx(np.sqrt(2) * 0.1, rel=0.08)


def test_jitter_needs_frames():
    assert np.isnan(jitter(np.zeros((5, 3, 2)), np.ones(5, bool)))
    assert np.isnan(jitter(np.zeros((40, 3, 2)), np.arange(40) % 2 == 0))


def test_longest_run():
    marked = np.array([1, 0, 1, 1, 1, 0, 0, 1, 1], bool)
    assert longest_run(marked) == 3
    assert longest_run(~marked) == 2
    assert longest_run(np.zeros(4, bool)) == 0


def test_planted_gaps_and_errors(head):
    track = _track(planted_clip(head, frames=40))
    found = np.ones(40, bool)
    found[[4, 5, 6, 20]] = False
    error = np.where(found, 0.02, 0.5) * interocular_distance(track.landmarks)
    quality = track_quality(replace(track, found=found, reprojection_error=error))
    assert quality["found"] == pytest.approx(0.9)
    assert quality["longest_gap"] == 3
    assert quality["error_median"] == pytest.approx(2.0)
    assert quality["error_90"] == pytest.approx(2.0)


def test_noise_on_landmarks_is_told_in_percent_of_the_eye_distance(head):
    clean = _track(planted_clip(head, frames=200, noise=0.0))
    eyes = float(interocular_distance(clean.landmarks).mean())
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.01 * eyes, clean.landmarks.shape)
    shaking = replace(clean, landmarks=clean.landmarks + noise)
    measured = track_quality(shaking)["landmark_jitter"]
    assert measured == pytest.approx(np.sqrt(2) * 1.0, rel=0.15)
    assert track_quality(clean)["landmark_jitter"] < 0.1 * measured


def test_pose_noise_is_told_in_degrees(head):
    clean = _track(planted_clip(head, frames=200, noise=0.0))
    shake = np.radians(np.random.default_rng(0).normal(0, 0.5, (200, 3)))
    measured = track_quality(replace(clean, rotation=clean.rotation + shake))["pose_jitter"]
    assert measured == pytest.approx(0.5 * np.sqrt(3), rel=0.25)


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
