"""Differences of two methods: planted values, what cancels in pairs, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t
from studies.result_notes import best_in_words

from spfem.errors import ShapeError
from spfem.evaluation.differences import AT_LEAST, COLUMNS, method_differences
from spfem.evaluation.estimates import Estimates
from spfem.evaluation.frechet import frechet_distance
from spfem.evaluation.tables import HIGHER_IS_BETTER, main_results
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import make_real, make_scores

SETTINGS = EvaluationSettings(resamples=60, frechet_resamples=4)
METHODS = ("copy", "ned", "ned+asccl", "ned+all", "truth")


def changed(scores, metric, change):
    """The scores with one metric set to `change(score)`."""
    return [replace(s, scores={**s.scores, metric: change(s)}) for s in scores]


def pick(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def test_planted_differences_come_out():
    # Made-up values are 10 x position + index of the emotion, 3 on average.
    table = method_differences(make_scores(METHODS), make_real(), SETTINGS)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 2 * 2 * (len(HIGHER_IS_BETTER) + 1)  # the Fréchet distance twice
    assert set(table.method) == {"ned+asccl", "ned+all"}
    assert set(table.against) == {"ned"}
    assert set(table.base) == {"moved"}
    row = pick(table, method="ned+all", metric="mouth_error", setting="cross").iloc[0]
    assert row.baseline == 13
    assert row.difference == row.ci_low == row.ci_high == row.seed_low == row.seed_high == 20
    assert row.relative_difference == pytest.approx(20 / 13)
    assert (row.seeds, row.clips, row.clear, row.better) == (2, 42, True, False)
    assert (row.detectable_80, row.probability_better, row.at_least_1) == (0, 0, 0)
    assert row.equivalent_within == pytest.approx(20 / 13)
    assert pick(table, metric="csim").better.all()  # higher is better there
    assert (pick(table, metric="csim")[list(AT_LEAST)] == 1).all(axis=None)


def test_differences_are_those_of_the_main_results():
    scores, real = make_scores(METHODS), make_real()
    estimates = Estimates(real, SETTINGS)
    results = main_results(scores, real, SETTINGS, estimates=estimates)
    table = method_differences(scores, real, SETTINGS, estimates=estimates)
    average = results[results.emotion == "average"]
    value = average.set_index(["method", "setting", "metric", "backbone"]).value
    for row in table.itertuples():
        key = (row.setting, row.metric, row.backbone)
        gap = value[row.method, *key] - value["ned", *key]
        assert row.difference == pytest.approx(gap, abs=1e-9)
        assert row.baseline == pytest.approx(value["ned", *key])


def test_seeds_and_clips_both_widen_the_interval():
    """By hand: the seed decides all but a little, so the interval is that of two seeds."""
    gain = {0: 1.0, 1: 2.0, 2: 3.0}
    scores = changed(
        make_scores(("ned", "ned+all"), seeds=tuple(gain)),
        "csim",
        lambda s: (s.method == "ned+all") * gain[s.seed],
    )
    many = replace(SETTINGS, resamples=2000)
    row = pick(method_differences(scores, make_real(), many), metric="csim").iloc[0]
    error = 1 / np.sqrt(3)
    assert (row.difference, row.error, row.freedom) == pytest.approx((2.0, error, 2.0))
    assert (row.seed_low, row.seed_high) == (1, 3)
    reach = t.ppf(0.975, 2) * error
    assert row.ci_high - row.ci_low == pytest.approx(2 * reach, rel=0.25)
    assert not row.clear
    assert 0.9 < row.probability_better < 0.975
    assert 0.9 < row.at_least_7 <= row.at_least_1 < 1  # emotions stand and fall together
    assert np.isnan(row.detectable_80)  # a share of a baseline of 0


def test_seeds_may_edit_a_part_each():
    scores = changed(make_scores(("ned", "ned+all")), "csim", lambda s: float(s.method != "ned"))
    edits = sorted({s.edit for s in scores}, key=lambda edit: edit.name)
    part = [s for s in scores if (edits.index(s.edit) + s.seed) % 2 == 0]
    row = pick(method_differences(part, make_real(), SETTINGS), metric="csim").iloc[0]
    assert (row.difference, row.clips, row.seeds) == (1, 42, 2)
    assert np.isfinite(
        pick(method_differences(part, make_real(), SETTINGS), metric="fad").ci_low
    ).all()


def test_each_base_has_its_own_ned_and_all_calibrating_rows():
    moved = make_scores(("copy", "ned", "ned+asccl"))
    drawn = [replace(s, base="ned", seed=s.seed) for s in moved if s.method != "copy"]
    drawn = changed(drawn, "csim", lambda s: 5.0 if s.method == "ned" else 4.0)
    results = main_results([*moved, *drawn], make_real(), SETTINGS)
    assert set(pick(results, base="ned").method) == {"copy", "ned", "ned+asccl"}
    table = method_differences([*moved, *drawn], make_real(), SETTINGS)
    assert (pick(table, metric="csim", base="moved").difference == 10).all()
    assert (pick(table, metric="csim", base="ned").difference == -1).all()


def test_any_two_can_be_compared_and_what_learned_nothing_stands_beside_every_seed():
    scores = make_scores(("habit", "ned+stccl_vd", "ned+stccl_cm"))
    scores = [s for s in scores if s.method != "habit" or s.seed == 0]
    pairs = (("ned+stccl_vd", "ned+stccl_cm"), ("ned+stccl_vd", "habit"), ("ned", "habit"))
    table = method_differences(scores, make_real(), SETTINGS, comparisons=pairs)
    found = pick(table, metric="csim", setting="intra").set_index("against")
    assert list(found.index) == ["ned+stccl_cm", "habit"]
    assert found.difference.tolist() == [-10, 10]
    assert found.seeds.tolist() == [2, 2]


def test_frechet_distances_are_compared_over_the_same_edits():
    scores, real = make_scores(("ned", "ned+all")), make_real()
    row = pick(
        method_differences(scores, real, SETTINGS),
        metric="fad", backbone="blendshapes-51", setting="intra",
    ).iloc[0]  # fmt: skip
    values = {}
    for method in ("ned", "ned+all"):
        by_emotion = []
        for emotion in EMOTIONS:
            shown = [
                s.sample.blendshapes for s in scores
                if (s.method, s.edit.emotion, s.edit.setting) == (method, emotion, "intra")
            ]  # fmt: skip
            wanted = [s.blendshapes for s in real if s.emotion == emotion]
            by_emotion.append(frechet_distance(np.concatenate(shown), np.concatenate(wanted)))
        values[method] = np.mean(by_emotion)
    assert row.baseline == pytest.approx(values["ned"])
    assert row.difference == pytest.approx(values["ned+all"] - values["ned"])
    assert row.ci_low < row.difference < row.ci_high


def test_words_name_the_best_method_and_how_sure_it_is():
    scores = changed(
        make_scores(METHODS),
        "mouth_error",
        lambda s: {"ned": 4.0, "ned+asccl": 3.0}.get(s.method, 5.0),
    )
    table = method_differences(scores, make_real(), SETTINGS)
    intra, cross = best_in_words(table, "mouth_error")
    assert intra.startswith(
        "mouth_error, base moved, intra: NED + ASCCL is better than NED: -1 (-25.0%"
    )
    assert "clear of zero" in cross
    worse = changed(scores, "mouth_error", lambda s: 4.0 + (s.method != "ned"))
    words = best_in_words(method_differences(worse, make_real(), SETTINGS), "mouth_error")
    assert "no better than NED, like all others: +1 (" in words[0]
    assert len(best_in_words(table, "fad", "dlib-128")) == 2
    noisy = changed(scores, "csim", lambda s: 1.0 + (s.method != "ned") * (s.seed - 0.4))
    words = best_in_words(method_differences(noisy, make_real(), SETTINGS), "csim")
    assert "undecided: a change of " in words[0]


def test_only_shared_seeds_are_paired():
    scores = [s for s in make_scores(("ned", "ned+all")) if s.method == "ned" or s.seed == 1]
    table = method_differences(scores, make_real(), SETTINGS)
    assert (table.seeds == 1).all()
    with pytest.raises(ShapeError, match="share no edit"):
        method_differences(
            [s for s in scores if s.method != "ned" or s.seed == 0], make_real(), SETTINGS
        )
