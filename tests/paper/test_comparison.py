from __future__ import annotations

import pytest
from studies.paper_check import BLOCK, OUR_METRICS, emotion_layout
from studies.paper_claims import published_methods

from spfem.evaluation.tables import HIGHER_IS_BETTER
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
