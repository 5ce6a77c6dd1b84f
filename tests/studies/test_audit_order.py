"""Comparisons clip by clip, and a whole audit."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test
from studies.audit import AuditSettings, read_published
from studies.audit_order import (
    CANNOT_TELL,
    clip_differences,
    mean_ranks,
    paired_differences,
    sign_flip_p,
)
from studies.audit_run import audit_clips

from spfem.__main__ import main
from spfem.errors import InputError
from tests.edit.made_up import speaking_frames, write_clip
from tests.media.clips import changing_sound

SETTINGS = AuditSettings(resamples=300)


def _measures(clips: int, gain: float, noise: float = 0.02) -> pd.DataFrame:
    """`ours` is better than the baseline by `gain` in both metrics; `copy` would beat all."""
    random = np.random.default_rng(0)
    rows = []
    for clip in range(clips):
        ease = random.uniform(0.3, 0.8)
        driven = "label" if clip % 2 else "reference"
        base = "baseline" if clip % 2 else "ned"
        for panel, more in ((base, 0.0), ("ours", gain), ("copy", 5.0), ("source", 9.0)):
            value = ease + more + random.normal(0, noise) if panel != "source" else np.nan
            rows.append((f"c{clip}", driven, panel, value, 1 - value))
    columns = ["clip", "driven_by", "panel", "mouth_correlation", "identity_distance"]
    return pd.DataFrame(rows, columns=columns)


def test_a_planted_winner_is_seen_although_clips_differ_more():
    table = paired_differences(_measures(12, 0.1), SETTINGS)
    whole = table[table.group == "all clips"].set_index("metric")
    assert set(table.method) == {"ours"}
    assert (whole.verdict == "better").all()
    assert whole.difference["mouth_correlation"] == pytest.approx(0.1, abs=0.02)
    assert whole.difference["identity_distance"] == pytest.approx(-0.1, abs=0.02)
    assert (whole.better_in == 12).all()


@pytest.mark.parametrize(("of_sources", "blind"), [(0.4, False), (0.0, True)])
def test_a_metric_that_is_blind_on_the_sources_cannot_tell(of_sources, blind):
    measures = _measures(12, 0.1)
    noise = np.random.default_rng(5).normal(0, 0.1, len(measures))
    sources = measures.panel == "source"
    measures["sync_correlation"] = np.where(sources, of_sources + noise, measures.mouth_correlation)
    verdicts = paired_differences(measures, SETTINGS).set_index("metric").verdict
    assert (verdicts["sync_correlation"] == CANNOT_TELL).all() == blind
    assert not (verdicts["mouth_correlation"] == CANNOT_TELL).any()


def test_missing_values_and_missing_baselines():
    measures = _measures(8, 0.1)
    measures.loc[(measures["clip"] == "c0") & (measures.panel == "ours"), "mouth_correlation"] = (
        np.nan
    )
    measures = measures[~((measures["clip"] == "c1") & (measures.panel == "baseline"))]
    clips = clip_differences(measures)
    assert sorted(clips[clips.metric == "mouth_correlation"]["clip"]) == [
        f"c{i}" for i in range(2, 8)
    ]
    with pytest.raises(InputError, match="no clip has a panel named theirs"):
        clip_differences(measures, ["theirs"])


def test_sign_flips_against_scipy():
    values = np.random.default_rng(3).normal(0.4, 1.0, 9)
    expected = permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert sign_flip_p(values) == pytest.approx(expected)


def test_ranks_count_all_baselines_as_one():
    ranks = mean_ranks(_measures(8, 0.5)).set_index("metric")
    assert set(ranks.columns) == {"baseline", "ours", "clips"}
    assert (ranks.ours == 1).all()
    assert (ranks.baseline == 2).all()
    assert (ranks.clips == 8).all()


FRAMES = 44
BRIEF = AuditSettings(identity_frames=2, resamples=100, face_size=96)


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
    return audit_clips(clips, BRIEF, problems=problems)


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

    monkeypatch.setattr("studies.audit_run.audit_clips", measure)
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
