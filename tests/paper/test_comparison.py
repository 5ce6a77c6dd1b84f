from __future__ import annotations

import pytest

from spfem.evaluation.results_schema import HIGHER_IS_BETTER
from spfem.paper import published_methods
from spfem.paper.comparison import BLOCK, average_layout, compare_tables, emotion_layout
from spfem.paper.measure import OUR_METRICS
from spfem.settings import EMOTIONS
from tests.paper.made_up import make_results


@pytest.fixture(scope="module")
def results():
    known = {name for name, _ in OUR_METRICS.values()} & set(HIGHER_IS_BETTER)
    table = make_results(0.1, ("stccl_vd", "scmcl"))
    return table[table.metric.isin(known)]


@pytest.mark.parametrize(("source", "rows"), [("stccl", 72), ("scmcl", 32)])
def test_blocks_are_labelled_and_whole(results, source, rows):
    layout = emotion_layout(results, published_methods(), source=source, ours_on="synthetic")
    ours = layout[BLOCK] == "ours on synthetic"
    assert (~ours).sum() == rows
    assert layout[BLOCK][~ours].str.contains("published").all()
    published = published_methods().query("source == @source").metric.unique()
    metrics = {OUR_METRICS[name][0] for name in published} & set(results.metric)
    assert ours.sum() == 2 * 3 * len(metrics)  # settings, methods
    assert layout.notna().all(axis=None)


def test_published_values_keep_three_digits_and_are_never_bold(results):
    layout = emotion_layout(results, published_methods(), source="stccl", ours_on="synthetic")
    row = layout[(layout.method == "NED + STCCL-VD") & (layout.metric == "FAD ↓")].iloc[0]
    assert (row.neutral, row.average) == ("0.601", "1.077")
    theirs = layout[layout[BLOCK].str.contains("published")]
    assert not theirs[[*EMOTIONS, "average"]].map(lambda text: "*" in text).any(axis=None)


def test_averages_stand_in_columns_of_setting_and_metric(results):
    wide = average_layout(results, published_methods(), source="scmcl", ours_on="synthetic")
    theirs = wide[wide[BLOCK] == "SCMCL on MEAD, published"].set_index("method")
    assert list(theirs.index) == ["ICface", "ICface + SCMCL", "NED", "NED + SCMCL"]
    assert theirs["cross IE ↑"]["NED + SCMCL"] == "4.644"
    ours = wide[wide[BLOCK].str.startswith("ours on synthetic (")].set_index("method")
    assert list(ours.index) == ["NED", "NED + STCCL-VD", "NED + SCMCL"]
    assert ours["intra CSIM ↑"]["NED"] == "2.000 [1.900, 2.100]"
    assert "CSIM made-up" in wide[BLOCK].iloc[-1]


def test_the_long_form_has_one_value_a_row(results):
    rows = compare_tables(results, published_methods(), source="scmcl", ours_on="synthetic")
    key = [BLOCK, "setting", "metric", "method", "emotion"]
    assert not rows.duplicated(key).any()
    theirs = rows[BLOCK].str.contains("published")
    assert theirs.sum() == 32 * 8
    assert (rows.ci_low.isna() == theirs).all()
    assert rows.value.notna().all()
