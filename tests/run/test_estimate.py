"""The projected cost of the face stage, against clips of known length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.corpus.clips import Clip
from spfem.errors import CorpusError
from spfem.face.track import track_clip
from spfem.head import load_head_model
from spfem.media.video import write_video
from spfem.run.estimate import COST, project_cost
from spfem.settings import FaceSettings
from spfem.studio.render import portrait

SETTINGS = replace(FaceSettings(), face_size=48, processes=1, fit_iterations=1)


def make_clips(root, count):
    frame = portrait(load_head_model(), np.zeros(48), np.zeros(52, np.float32), 96)
    clips = [Clip(root, "M001", "happy", 3, f"{number:03d}", "s") for number in range(count)]
    for number, clip in enumerate(clips):
        clip.video.parent.mkdir(parents=True, exist_ok=True)
        write_video(clip.video, [frame] * (5 + number), 25)
    return clips


def test_frames_disk_and_hours_are_projected_from_what_was_measured(tmp_path):
    clips = make_clips(tmp_path, 3)  # 5, 6 and 7 frames
    cost = project_cost(clips, SETTINGS, tracked=2)
    track_clip(clips[0].video, SETTINGS).save(tmp_path / "one.npz")
    size = (tmp_path / "one.npz").stat().st_size / 5
    assert (cost["clips"], cost["frames"], cost["processes"]) == (3, 18, 1)
    assert cost["video_hours"] == pytest.approx(18 / 25 / 3600)
    assert cost["bytes_per_frame"] == pytest.approx(size, rel=0.15)  # headers of a short file
    assert cost["gigabytes"] == pytest.approx(18 * cost["bytes_per_frame"] / 1e9)
    assert cost["hours"] == pytest.approx(18 / cost["frames_per_second"] / 3600)
    larger = project_cost(clips, SETTINGS, tracked=1, video_hours=2)
    assert larger["frames"] == 2 * 3600 * 25
    assert larger["clips"] == 30000
    assert "2.00 hours of video" in COST.format(**larger)


def test_broken_clips_are_passed_over_but_not_all_of_them(tmp_path):
    clips = make_clips(tmp_path, 2)
    clips[0].video.write_bytes(b"no video")
    assert project_cost(clips, SETTINGS)["frames"] == 12  # two clips like the one that can be read
    clips[1].video.write_bytes(b"no video")
    with pytest.raises(CorpusError, match="none of 2 clips"):
        project_cost(clips, SETTINGS)
