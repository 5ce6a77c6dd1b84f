"""Verdicts on planted results."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp
from studies import paper_check as verdicts
from studies import paper_sides as collect
from studies.paper_check import FAILS, HOLDS, UNTESTED, check_papers
from studies.paper_claims import published_methods
from studies.paper_figures import BLOCK, emotion_layout
from studies.paper_sides import OUR_METRICS, choose_backbone, seed_interval

from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.scales import load_scale
from spfem.settings import EMOTIONS
from spfem.statistics import holm
from tests.studies.paper_tables import make_measured, make_results


def of_ned(check, part="method"):
    return check[(check.part == part) & (check.base == "NED")]


@pytest.fixture(scope="module")
def check():
    return check_papers(make_measured())


def test_a_run_that_finds_all_gains_confirms_all_methods(check):
    assert (of_ned(check).verdict == HOLDS).all()
    assert (of_ned(check, "emotions").verdict == HOLDS).all()
    assert of_ned(check).clear_after_holm.eq(True).all()
    assert of_ned(check).why.str.contains("clear also after Holm's correction").all()
    assert np.allclose(of_ned(check).ours_change.abs(), 0.1)
    icface = check[check.base == "ICface"]
    assert (icface.verdict == UNTESTED).all()
    assert icface.ours.isna().all()


def test_wide_intervals_confirm_nothing_and_say_why():
    ned = of_ned(check_papers(make_measured(reach=0.2)))
    assert (ned.verdict == FAILS).all()
    assert ned.why.str.contains("not told from zero").all()
    assert ned.why.str.contains("28 clips, 3 seeds").all()
    assert not ned.clear_after_holm.eq(True).any()


def test_many_comparisons_need_clearer_ones():
    check = of_ned(check_papers(make_measured(reach=0.09)))  # clear, p of about 0.03
    assert (check.verdict == HOLDS).all()
    assert not check.clear_after_holm.eq(True).any()
    assert check.why.str.contains("not clear after Holm's correction").all()


def test_claims_of_methods_that_were_not_trained_are_not_testable():
    check = check_papers(make_measured(methods=("scmcl",)))
    ned = of_ned(check).set_index("addition")
    assert (ned.loc["scmcl"].verdict == HOLDS).all()
    missing = ned.loc[["stccl_vd", "stccl_cm"]]
    assert (missing.verdict == UNTESTED).all()
    assert missing.why.str.contains("not trained at this scale").all()
    assert (missing.ours_on == "").all()


def test_similarity_and_learning(check):
    check = check.set_index("metric")
    assert (check.loc[["gain", "contrast before"]].verdict == HOLDS).all()
    assert check.loc["gain"].difference.to_numpy() == pytest.approx([0.45, 0.45])
    assert check.loc["gain"].ci_low.to_numpy() == pytest.approx([0.41, 0.41])  # 0.93 - 0.52
    assert (check.loc["unmatched"].verdict == HOLDS).all()
    assert check.loc["no gain"].verdict == HOLDS
    assert check.loc["matched"].verdict == HOLDS
    assert check.loc["shuffled"].verdict == HOLDS
    assert check.loc["loss, second half"].verdict == HOLDS
    assert check.loc["transformer"].verdict == FAILS
    assert "12% of chance" in check.loc["transformer"].why


def test_absolute_values_are_never_judged():
    check = check_papers(make_measured(corpus="mead"))
    values = check[check.part.isin(["value", "speed", "unread"])]
    assert (values.verdict == UNTESTED).all()
    assert values.ours.isna().all()


def test_the_nearest_network_is_chosen():
    table = pd.DataFrame(
        {
            "metric": "csim",
            "backbone": ["blendshapes-51", "dlib-128", "dlib-128"],
            "value": range(3),
        }
    )
    assert choose_backbone(table, "CSIM").value.tolist() == [1, 2]
    more = pd.concat(
        [table, pd.DataFrame([{"metric": "csim", "backbone": "arcface-512", "value": 3}])]
    )
    assert choose_backbone(more, "CSIM").value.tolist() == [3]
    assert choose_backbone(table, "LSE-D").empty


@pytest.mark.parametrize(
    ("expected", "difference", "low", "high", "verdict", "word"),
    [
        (-1.0, -0.2, -0.3, -0.1, HOLDS, "clear of zero"),
        (-1.0, -0.2, -0.5, 0.1, FAILS, "not told from zero"),
        (-1.0, 0.2, -0.1, 0.5, FAILS, "not even"),
        (-1.0, 0.2, 0.1, 0.3, FAILS, "opposite"),
        (0.5, 0.2, 0.1, 0.3, HOLDS, "clear of zero"),
        (0.5, np.nan, np.nan, np.nan, UNTESTED, "measured"),
    ],
)
def test_directions(expected, difference, low, high, verdict, word):
    found, why = verdicts.judge_direction(expected, difference, low, high)
    assert found == verdict
    assert word in why


def test_intervals_over_seeds_are_those_of_a_t_test():
    values = [0.1, 0.4, 0.25]
    low, high = ttest_1samp(values, 0).confidence_interval(0.9)
    assert seed_interval(values, 0.9) == pytest.approx((0.25, low, high))
    mean, low, high = seed_interval([0.3], 0.9)
    assert mean == 0.3
    assert np.isnan([low, high]).all()


def test_p_values_of_intervals():
    for confidence in (0.9, 0.95):  # an interval that just touches zero
        assert verdicts.approximate_p(1.0, 0.0, 2.0, confidence) == pytest.approx(1 - confidence)
    assert verdicts.approximate_p(0.0, 0.0, 0.0, 0.95) == 1.0
    assert verdicts.approximate_p(0.5, 0.5, 0.5, 0.95) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_bonferroni_and_none(p_values):
    p = np.array(p_values)
    kept = holm(p_values) <= 0.05
    assert not (kept & (p > 0.05)).any()
    assert (kept | (p > 0.05 / len(p))).all()


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A workspace without content, and the comparisons that are asked for."""
    calls = []
    record = tmp_path / "curve.json"
    record.write_text(json.dumps([{"step": 1, "split": "train", "loss": 2.0}]))

    def differences(scores, real, settings, *, baseline):
        calls.append(({score.method for score in scores}, baseline))
        return pd.DataFrame({"method": []})

    replaced = {
        "calibrating_methods": lambda workspace: ("copy",),
        "score_method": lambda workspace, base, method, seed: [
            SimpleNamespace(method=method, seed=seed)
        ],
        "real_samples": lambda workspace: [],
        "main_results": lambda scores, real, settings: pd.DataFrame(
            {"method": sorted({s.method for s in scores})}
        ),
        "method_differences": differences,
        "make_similarity": lambda workspace, name: (pd.DataFrame({"metric": [name]}), {}),
        "make_temporal_metric": lambda workspace, name, seed: tmp_path / "metric.safetensors",
        "control_operators": lambda operators, **size: None,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(collect, name, value)

    def run(methods, seeds=(0, 1)):
        scale = replace(load_scale("smoke"), methods=methods, seeds=seeds, metric_seeds=seeds)
        return collect.collect_measured(SimpleNamespace(scale=scale, corpus="synthetic")), calls

    return run


def test_all_methods_are_compared(asked):
    methods = ("ned", "ned+stccl_vd", "ned+stccl_cm", "ned+scmcl")
    measured, calls = asked(methods)
    assert calls == [(set(methods), "ned"), ({"ned+stccl_vd", "ned+stccl_cm"}, "ned+stccl_cm")]
    assert set(measured.results.method) == {*methods, "copy"}
    assert set(measured.curves) == {0, 1}
    assert measured.similarity.metric.tolist() == list(collect.SIMILARITIES)


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
