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
from studies.paper_check import (
    OPPOSITE,
    SEEN,
    SMALLER,
    UNDECIDED,
    UNTESTED,
    VERDICTS,
    check_papers,
    count_verdicts,
)
from studies.paper_claims import list_claims, published_methods
from studies.paper_figures import BLOCK, emotion_layout
from studies.paper_sides import OUR_METRICS, choose_backbone, seed_interval

from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.scales import load_scale
from spfem.settings import EMOTIONS
from spfem.statistics import holm
from tests.evaluation.made_up import make_scores
from tests.studies.paper_tables import make_measured, make_results


def of_ned(check, part="method"):
    return check[(check.part == part) & (check.base == "NED")]


@pytest.fixture(scope="module")
def check():
    return check_papers(make_measured(reach=0.03))


def test_a_run_that_finds_all_gains_sees_all_methods(check):
    assert (of_ned(check).verdict == SEEN).all()
    assert (of_ned(check, "emotions").verdict == SEEN).all()
    assert of_ned(check).clear_after_holm.eq(True).all()
    assert of_ned(check).why.str.contains("clear also after Holm's correction").all()
    assert np.allclose(of_ned(check).ours_change.abs(), 0.1)
    icface = check[check.base == "ICface"]
    assert (icface.verdict == UNTESTED).all()
    assert icface.ours.isna().all()
    assert (icface.asked_here == "").all()


def test_what_was_asked_here_is_said_in_words(check):
    row = of_ned(check).query("metric == 'LSE-D' and addition == 'stccl_vd'").iloc[0]
    assert row.asked_here == (
        "does NED + STCCL-VD lower LSE-D (made-up) against NED, intra-ID, on 8 actors and 16 clips "
        "of the corpus synthetic, 3 seeds, base moved, both from one manipulator of this package's "
        "form?"
    )
    tested = check[check.verdict != UNTESTED]
    assert tested.asked_here.str.endswith(("?", "learning?")).all()
    assert not tested.asked_here.str.contains("MEAD|RAVDESS").any()


def test_every_claim_about_ned_is_asked_on_every_base():
    measured = make_measured(bases=("moved", "ned"))
    check = check_papers(measured)
    claims = len(list_claims())
    assert claims == 173
    twice = of_ned(check, "method"), of_ned(check, "emotions"), of_ned(check, "formulation")
    assert all((part.our_base.value_counts() == len(part) / 2).all() for part in twice)
    counts = count_verdicts(check, measured)
    assert counts.groupby("base").claims.sum().to_dict() == {"moved": claims, "ned": claims}
    assert list(counts[counts.base == "ned"].verdict) == list(VERDICTS)
    assert (counts[["actors", "clips", "seeds"]] == [8, 16, 3]).all(axis=None)


def test_wide_intervals_decide_nothing_and_say_what_could_be_seen():
    ned = of_ned(check_papers(make_measured(gain=0.001, reach=0.8)))
    assert (ned.verdict == UNDECIDED).all()
    assert ned.why.str.contains("a change of 112.00% would be seen in 4 of 5").all()
    assert ned.why.str.contains("28 edits, 3 seeds").all()
    assert not ned.clear_after_holm.eq(True).any()


def test_narrow_intervals_about_zero_exclude_what_is_printed():
    ned = of_ned(check_papers(make_measured(gain=0.0, reach=0.0001)))
    assert (ned.verdict == SMALLER).all()
    against = of_ned(check_papers(make_measured(gain=-0.1)))
    assert (against.verdict == OPPOSITE).all()


def test_many_comparisons_need_clearer_ones():
    check = of_ned(check_papers(make_measured(reach=0.09)))  # clear, p of about 0.03
    assert (check.verdict == SEEN).all()
    assert not check.clear_after_holm.eq(True).any()
    assert check.why.str.contains("not clear after Holm's correction").all()


def test_claims_of_methods_that_were_not_trained_are_not_testable():
    check = check_papers(make_measured(methods=("scmcl",)))
    ned = of_ned(check).set_index("addition")
    assert (ned.loc["scmcl"].verdict == SEEN).all()
    missing = ned.loc[["stccl_vd", "stccl_cm"]]
    assert (missing.verdict == UNTESTED).all()
    assert missing.why.str.contains("not trained on base moved at this scale").all()
    assert (missing.ours_on == "").all()
    nothing = replace(make_measured(), differences=None)
    assert len(check_papers(nothing)) == len(list_claims())
    assert of_ned(check_papers(nothing)).verdict.eq(UNTESTED).all()


def test_similarity_and_learning(check):
    check = check.set_index("metric")
    assert (check.loc[["gain", "contrast before"]].verdict == SEEN).all()
    assert check.loc["gain"].difference.to_numpy() == pytest.approx([0.45, 0.45])
    assert check.loc["gain"].ci_low.to_numpy() == pytest.approx([0.41, 0.41])  # 0.93 - 0.52
    for name in ("unmatched", "no gain", "matched", "shuffled", "loss, second half"):
        assert np.all(check.loc[name].verdict == SEEN)
    assert check.loc["transformer"].verdict == OPPOSITE
    assert "12% of chance" in check.loc["transformer"].why


def test_noise_at_chance_would_let_the_loss_of_the_transformer_count():
    control = make_measured().control.assign(cross_entropy=3.95, share=0.99)
    check = check_papers(replace(make_measured(), control=control)).set_index("metric")
    assert check.loc["transformer"].verdict == SEEN


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
    ("printed", "difference", "low", "high", "within", "verdict", "word"),
    [
        (-1.0, -0.2, -0.3, -0.1, 0.3, SEEN, "clear of zero"),
        (0.5, 0.2, 0.1, 0.3, 0.3, SEEN, "clear of zero"),
        (-1.0, 0.2, 0.1, 0.3, 0.3, OPPOSITE, "other direction"),
        (-1.0, -0.2, -0.5, 0.1, 0.4, SMALLER, "not the printed change"),
        (-1.0, 0.2, -0.1, 0.5, 0.4, SMALLER, "not the printed change"),
        (-0.4, -0.2, -0.5, 0.1, 0.4, UNDECIDED, "neither"),
        (-0.4, 0.0, -0.45, 0.45, 0.19, SMALLER, "less than 50%"),  # by the second rule alone
        (0.5, np.nan, np.nan, np.nan, 0.1, UNTESTED, "measured"),
        (0.5, 0.1, np.nan, np.nan, np.nan, UNTESTED, "measured"),  # one clip and one seed
    ],
)
def test_directions(printed, difference, low, high, within, verdict, word):
    found, why = verdicts.judge_direction(printed, difference, low, high, within)
    assert found == verdict
    assert word in why


@given(*(st.floats(-1, 1, allow_subnormal=False) for _ in range(2)), st.floats(0.001, 1))
def test_a_run_turned_round_turns_the_verdict(printed, difference, reach):
    ends = difference - reach, difference + reach
    ours, _ = verdicts.judge_direction(printed, difference, *ends)
    turned, _ = verdicts.judge_direction(-printed, -difference, -ends[1], -ends[0])
    assert ours == turned
    against, _ = verdicts.judge_direction(-printed, difference, *ends)
    if printed and ours == SEEN:
        assert against == OPPOSITE


def test_no_change_and_counts():
    judge = verdicts.judge_no_change
    found = [judge(0, *ends)[0] for ends in ((-0.01, 0.02), (0.06, 0.1), (-0.1, 0.02))]
    assert found == [SEEN, OPPOSITE, UNDECIDED]
    judge = verdicts.judge_count
    found = [judge(p, average, 0.95)[0] for p, average in (
        (0.96, UNDECIDED), (0.01, UNDECIDED), (0.01, SEEN), (0.01, SMALLER), (0.01, OPPOSITE),
        (0.5, OPPOSITE), (np.nan, SEEN), (0.99, UNTESTED),
    )]  # fmt: skip
    wanted = [SEEN, UNDECIDED, UNDECIDED, SMALLER, OPPOSITE, UNDECIDED, UNTESTED, UNTESTED]
    assert found == wanted
    unlucky = check_papers(make_measured(at_least=0.5))
    assert (of_ned(unlucky, "emotions").verdict == UNDECIDED).all()
    assert of_ned(unlucky, "emotions").probability.eq(0.5).all()


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
    values = [0.1, 0.4, 0.25, 0.2]
    test = ttest_1samp(values, 0)
    found = verdicts.approximate_p(np.mean(values), *test.confidence_interval(0.95), 0.95, 3)
    assert found == pytest.approx(test.pvalue)
    assert verdicts.approximate_p(0.0, 0.0, 0.0, 0.95) == 1.0
    assert verdicts.approximate_p(0.5, 0.5, 0.5, 0.95) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_bonferroni_and_none(p_values):
    p = np.array(p_values)
    kept = holm(p_values) <= 0.05
    assert not (kept & (p > 0.05)).any()
    assert (kept | (p > 0.05 / len(p))).all()


def test_all_methods_of_a_workspace_are_compared(monkeypatch, tmp_path):
    record = tmp_path / "curve.json"
    record.write_text(json.dumps([{"step": 1, "split": "train", "loss": 2.0}]))
    scores = make_scores(("copy", "ned", "ned+stccl_vd", "ned+stccl_cm"))
    replaced = {
        "score_all": lambda workspace: scores,
        "real_samples": lambda workspace: [],
        "make_similarity": lambda workspace, name: (pd.DataFrame({"metric": [name]}), {}),
        "make_temporal_metric": lambda workspace, name, seed: tmp_path / "metric.safetensors",
        "control_operators": lambda operators, **size: None,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(collect, name, value)
    scale = replace(load_scale("smoke"), seeds=(0, 1), metric_seeds=(0, 1))
    measured = collect.collect_measured(SimpleNamespace(scale=scale, corpus="synthetic"))
    compared = set(zip(measured.differences.method, measured.differences.against, strict=True))
    assert compared == {
        ("ned+stccl_vd", "ned"), ("ned+stccl_cm", "ned"), ("ned+stccl_vd", "ned+stccl_cm"),
    }  # fmt: skip
    assert measured.bases == ("moved",)
    assert measured.rests_on("moved") == (3, 6, 2)
    assert "copy" in set(measured.results.method)
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
    ours = layout[BLOCK] == "ours on synthetic, base moved"
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
