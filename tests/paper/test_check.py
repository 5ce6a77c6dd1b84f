from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from studies.paper_check import FAILS, HOLDS, UNTESTED, check_papers, choose_backbone

from tests.paper.made_up import make_measured


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
