"""Differences of methods to NED: planted values, what cancels in pairs, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from studies.result_notes import best_in_words

from spfem.errors import ShapeError
from spfem.evaluation.differences import COLUMNS, method_differences
from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.settings import EMOTIONS, EvaluationSettings
from spfem.statistics import cluster_bootstrap
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
    row = pick(table, method="ned+all", metric="mouth_error", setting="cross").iloc[0]
    assert row.baseline == 13
    assert row.difference == row.ci_low == row.ci_high == row.seed_low == row.seed_high == 20
    assert row.relative_difference == pytest.approx(20 / 13)
    assert (row.seeds, row.clips, row.clear, row.better) == (2, 42, True, False)
    assert pick(table, metric="csim").better.all()  # higher is better there


def test_interval_is_that_of_the_redrawn_pairs():
    random = np.random.default_rng(1)
    scores = changed(make_scores(("ned", "ned+all")), "csim", lambda s: random.normal())
    scores = [s for s in scores if s.edit.setting == "intra"]
    row = pick(method_differences(scores, make_real(), SETTINGS), metric="csim").iloc[0]
    values = {(s.edit, s.seed, s.method): s.scores["csim"] for s in scores}
    sources = sorted({(s.edit.actor, s.edit.source) for s in scores})
    gaps = np.array(
        [
            [
                np.mean(
                    [
                        values[edit, seed, "ned+all"] - values[edit, seed, "ned"]
                        for edit, seed, method in values
                        if method == "ned" and edit.source == source and edit.emotion == emotion
                    ]
                )
                for emotion in EMOTIONS
            ]
            for _, source in sources
        ]
    )
    wanted = cluster_bootstrap(
        gaps, np.array(sources), resamples=2000, confidence=SETTINGS.confidence, seed=5
    )
    many = replace(SETTINGS, resamples=2000)
    row = pick(method_differences(scores, make_real(), many), metric="csim").iloc[0]
    assert row.difference == pytest.approx(wanted.value)
    assert row.ci_low == pytest.approx(wanted.low, abs=0.04)
    assert row.ci_high == pytest.approx(wanted.high, abs=0.04)
    assert row.seed_low < row.difference < row.seed_high


def test_words_name_the_best_method_and_how_sure_it_is():
    scores = changed(
        make_scores(METHODS),
        "mouth_error",
        lambda s: {"ned": 4.0, "ned+asccl": 3.0}.get(s.method, 5.0),
    )
    table = method_differences(scores, make_real(), SETTINGS)
    intra, cross = best_in_words(table, "mouth_error")
    assert intra.startswith("mouth_error, intra: NED + ASCCL is better than NED: -1 (-25.0%")
    assert "clear of zero" in cross
    worse = changed(scores, "mouth_error", lambda s: 4.0 + (s.method != "ned"))
    words = best_in_words(method_differences(worse, make_real(), SETTINGS), "mouth_error")
    assert "no better than NED, like all others: +1 (" in words[0]
    assert len(best_in_words(table, "fad", "dlib-128")) == 2


def test_only_shared_seeds_are_paired():
    scores = [s for s in make_scores(("ned", "ned+all")) if s.method == "ned" or s.seed == 1]
    table = method_differences(scores, make_real(), SETTINGS)
    assert (table.seeds == 1).all()
    with pytest.raises(ShapeError, match="share no edit"):
        method_differences(
            [s for s in scores if s.method != "ned" or s.seed == 0], make_real(), SETTINGS
        )
