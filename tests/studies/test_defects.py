"""Released defects, seen in use and in learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from studies.defects import (
    COLUMNS,
    SPATIAL_DEFECTS,
    TEMPORAL_DEFECTS,
    USE_DEFECTS,
    compare_learned,
    compare_recall,
    measure_defects_in_use,
)
from studies.moment_similarity import SimilarityScores

from spfem.correlation.learn import initial_metric
from spfem.settings import EvaluationSettings, SpatialSettings
from spfem.statistics import area_under_curve
from tests.correlation.planted import planted_pairs

SETTINGS = EvaluationSettings(resamples=200)
CLUSTERS = np.array([["A", f"pair {n // 4}"] for n in range(24)])


def _scores(shift, seed):
    random = np.random.default_rng(seed)
    common = np.random.default_rng(99).normal(0, 0.2, (24, 2))
    parts = {
        name: common + level + shift + random.normal(0, 0.01, (24, 2))
        for name, level in (("matched", 0.8), ("mismatched_place", 0.1), ("mismatched_speech", 0.7))
    }
    return SimilarityScores(**parts, matched_maps=(), speech_maps=(), clusters=CLUSTERS)


def test_difference_is_paired_over_comparisons_and_seeds():
    released = [_scores(-0.1, seed) for seed in (0, 1)]
    corrected = [_scores(0.0, seed) for seed in (2, 3)]
    table = compare_learned(SPATIAL_DEFECTS[0], released, corrected, SETTINGS, steps=7)
    assert list(table.columns) == list(COLUMNS)
    rows = table.set_index("quantity")
    matched = rows.loc["matched"]
    wanted = [np.mean([s.matched.mean() for s in side]) for side in (released, corrected)]
    np.testing.assert_allclose([matched.released, matched.corrected], wanted)
    np.testing.assert_allclose(matched.difference, wanted[0] - wanted[1])
    # Comparisons differ by 0.2, both sides alike: a paired interval is far narrower.
    assert matched.ci_high - matched.ci_low < 0.03
    assert matched.ci_low < -0.1 < matched.ci_high + 0.02
    auc = [
        np.mean([area_under_curve(s.matched.mean(1), s.mismatched_speech.mean(1)) for s in side])
        for side in (released, corrected)
    ]
    np.testing.assert_allclose(rows.loc["speech_auc"].difference, auc[0] - auc[1])
    assert (rows.seeds == 2).all()
    assert (rows.steps == 7).all()


def test_recall_row():
    corrected = np.ones((24, 2), dtype=bool)
    released = corrected.copy()
    released[::2] = False
    table = compare_recall(
        TEMPORAL_DEFECTS[0],
        released,
        corrected,
        CLUSTERS,
        SETTINGS,
        quantity="recall_at_1",
        steps=3,
    )
    row = table.iloc[0]
    assert (row.released, row.corrected, row.difference) == (0.5, 1.0, -0.5)
    assert row.ci_low <= -0.5 <= row.ci_high


BRIEF = SpatialSettings(image_size=32, widths=(16, 16), blocks=(1, 1), centres=(8, 4), batch_size=4)


@pytest.fixture(scope="module")
def table():
    metrics = {seed: initial_metric(BRIEF, seed) for seed in (0, 1)}
    before = {k: v.clone() for k, v in metrics[0].state_dict().items()}
    settings = replace(EvaluationSettings(), resamples=50)
    rows = measure_defects_in_use(metrics, planted_pairs()[0], settings)
    after = metrics[0].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    return rows.set_index("defect")


def test_every_defect_has_a_row(table):
    assert list(table.index) == [defect.name for defect in USE_DEFECTS]
    assert [table.index.name, *table.columns] == list(COLUMNS)
    assert (table.seeds == 2).all()
    np.testing.assert_allclose(table.difference, table.released - table.corrected)
    assert (table.ci_low <= table.difference + 1e-12).all()
    assert (table.ci_high >= table.difference - 1e-12).all()


def test_values_with_a_known_answer(table):
    assert table.released["swapped_arguments"] == 0
    assert table.corrected["swapped_arguments"] > 0
    assert table.corrected["training_mode"] < 1e-5 < table.released["training_mode"]
    assert table.corrected["held_frames_gradient"] == 1
    assert table.released["held_frames_gradient"] < 1
    assert table.released["swapped_colours"] != table.corrected["swapped_colours"]
    assert table.released["shuffled_channels"] != table.corrected["shuffled_channels"]
    assert table.released["score_axis"] != table.corrected["score_axis"]
