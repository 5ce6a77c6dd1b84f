"""Defects in use: each is seen, and the corrected side is what it should be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from studies.defects import COLUMNS, USE_DEFECTS, measure_defects_in_use

from spfem.correlation.learn import initial_metric
from spfem.settings import EvaluationSettings, SpatialSettings
from tests.correlation.planted import planted_pairs

SETTINGS = SpatialSettings(
    image_size=32, widths=(16, 16), blocks=(1, 1), centres=(8, 4), batch_size=4
)


@pytest.fixture(scope="module")
def table():
    metrics = {seed: initial_metric(SETTINGS, seed) for seed in (0, 1)}
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
