"""Paired comparisons: planted winners, exact p values, honest verdicts with few clips."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test
from studies.audit import AuditSettings
from studies.audit_order import (
    CANNOT_TELL,
    clip_differences,
    mean_ranks,
    paired_differences,
    sign_flip_p,
)

from spfem.errors import InputError

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
