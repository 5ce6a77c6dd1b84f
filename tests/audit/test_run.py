"""A made-up folder through the whole audit: planted offsets, a planted better method, damage."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from studies.audit import AuditSettings, read_published
from studies.audit_order import audit_clips

from spfem.__main__ import main
from tests.edit.made_up import speaking_frames, write_clip
from tests.media.clips import changing_sound

FRAMES = 44
SETTINGS = AuditSettings(identity_frames=2, resamples=100, face_size=96)


def _openings(seed: int) -> np.ndarray:
    """Places 0 to 4 of the mouth, smooth and never the same twice."""
    walk = np.convolve(np.random.default_rng(seed).normal(size=FRAMES + 8), np.ones(5), "valid")
    return np.clip(np.round(2 + walk[:FRAMES]), 0, 4).astype(int)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """`ours` is the source two frames late, its last frames black; `ned` half the source."""
    folder = tmp_path_factory.mktemp("published")
    pictures = speaking_frames(5, 160)
    spoken, other = _openings(1), _openings(2)
    source = pictures[spoken]
    ours = np.concatenate([source[2:], np.zeros_like(source[:2])])
    ned = pictures[np.round(0.5 * spoken + 0.5 * other).astype(int)]
    ned = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in ned])
    for name, frames in (("source", source), ("ours", ours), ("ned", ned)):
        write_clip(folder / "one" / f"{name}.mp4", frames, 30)
    (folder / "one" / "cut.mp4").write_bytes((folder / "one" / "ned.mp4").read_bytes()[:900])
    write_clip(folder / "one" / "empty.mp4", np.zeros((20, 64, 64, 3), np.uint8), 30)
    write_clip(folder / "two" / "source.mp4", np.zeros((20, 64, 64, 3), np.uint8))
    write_clip(folder / "two" / "ned.mp4", source[:20])
    changing_sound(folder / "one").rename(folder / "one" / "odd.mp4")
    rows = ["clip,emotion_in_name,panels", "one,happy,source|ned|ours|cut|empty|gone|odd"]
    (folder / "clips.csv").write_text("\n".join([*rows, "two,sad,source|ned"]))
    return folder


@pytest.fixture(scope="module")
def audit(published):
    clips, problems = read_published(published)
    return audit_clips(clips, SETTINGS, problems=problems)


def test_what_cannot_be_used_is_listed_and_the_rest_measured(audit):
    problems = audit.problems.set_index(["clip", "panel"]).reason
    assert "missing" in problems["one", "gone"]
    assert "cut.mp4" in problems["one", "cut"]
    assert "no face" in problems["one", "empty"]
    assert "sound changes" in problems["one", "odd"]
    assert "no face" in problems["two", "source"]
    assert list(audit.measures.panel) == ["source", "ned", "ours"]


def test_the_command_writes_the_tables_and_says_what_was_left_out(
    audit, published, tmp_path, monkeypatch, capsys
):
    asked = []

    def measure(clips, settings, **options):
        asked.append(options)
        return audit

    monkeypatch.setattr("studies.audit_order.audit_clips", measure)
    assert main(["audit", str(published), "--out", str(tmp_path), "--baseline", "ned"]) == 0
    assert (asked[0]["baselines"], asked[0]["processes"]) == (["ned"], 2)
    names = {path.stem for path in tmp_path.glob("*.csv")}
    assert names == {f"audit_{n}" for n in ("measures", "differences", "ranks", "problems")}
    measures = pd.read_csv(tmp_path / "audit_measures.csv")
    assert list(measures.panel) == ["source", "ned", "ours"]
    said = capsys.readouterr().out
    assert "too few clips to compare methods" in said
    assert "left out: one gone" in said
    assert main(["audit", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 1


def test_a_copy_in_other_time_scores_as_a_copy(audit):
    ours = audit.measures.set_index("panel").loc["ours"]
    assert ours.mouth_correlation > 0.97
    assert ours.csim > 0.995
    assert ours.identity_distance < 0.15
    assert ours.change_size < 0.1
    assert ours.named_by_direction == "neutral"
    assert ours.mouth_amplitude == pytest.approx(1, abs=0.1)


def test_the_planted_worse_method_is_worse(audit):
    rows = audit.measures.set_index("panel")
    for metric in ("mouth_correlation", "lip_shape_correlation", "csim"):
        assert rows[metric]["ned"] < rows[metric]["ours"]
    assert rows.sharpness["ned"] < 0.8
    assert rows.sharpness["ours"] == pytest.approx(1, abs=0.1)
