"""Every metric of the result tables can be drawn."""

from spfem.evaluation.results_schema import HIGHER_IS_BETTER
from spfem.plots import METRIC_LABELS


def test_every_metric_has_a_label_with_its_direction():
    assert set(METRIC_LABELS) == set(HIGHER_IS_BETTER)
    for metric, better in HIGHER_IS_BETTER.items():
        assert ("↑" if better else "↓") in METRIC_LABELS[metric], metric
