from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spfem.errors import ShapeError
from spfem.evaluation.tables import check_main_results, main_results
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import make_real, make_scores

SETTINGS = EvaluationSettings(resamples=20, frechet_resamples=5)


@pytest.fixture(scope="module")
def table():
    return main_results(make_scores(), make_real(), SETTINGS)


def pick(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def test_planted_values_come_out(table):
    row = pick(table, setting="cross", method="ned+asccl", metric="mouth_error")
    assert pick(row, emotion="sad").value.item() == 20 + EMOTIONS.index("sad")
    average = pick(row, emotion="average")
    assert average.value.item() == average.ci_low.item() == 23.0


def test_interval_of_the_average_redraws_actors():
    scores = make_scores(methods=("ned",), seeds=(0,))
    shifted = [
        type(s)(
            s.edit, s.method, s.seed, {**s.scores, "csim": float(s.edit.actor[1:])}, "", s.sample
        )
        for s in scores
    ]
    row = pick(main_results(shifted, make_real(), SETTINGS), metric="csim", emotion="average")
    assert row.value.iloc[0] == pytest.approx(2.0)
    assert row.ci_low.iloc[0] < 1.7
    assert row.ci_high.iloc[0] > 2.3


def test_lost_faces_leave_gaps_that_say_so():
    scores = make_scores(methods=("ned",), seeds=(0,))
    lost = [
        type(s)(
            s.edit, s.method, s.seed,
            {**s.scores, "csim": np.nan if s.edit.emotion == "sad" else 1.0}, "", s.sample,
        )
        for s in scores
    ]  # fmt: skip
    row = pick(main_results(lost, make_real(), SETTINGS), metric="csim", setting="intra")
    sad = pick(row, emotion="sad")
    assert np.isnan(sad.value.item())
    assert sad.clips.item() == 0
    assert pick(row, emotion="average").clips.item() == 36


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "methods"),
        ({"emotion": "bored"}, "emotions"),
        ({"ci_low": 1e9}, "intervals"),
        ({"clips": 0}, "rests on clips"),
        ({"seeds": 0}, "seed"),
    ],
)
def test_broken_tables_are_refused(table, change, message):
    broken = table.copy()
    for column, value in change.items():
        broken.loc[3, column] = value
    with pytest.raises(ShapeError, match=message):
        check_main_results(broken)
    with pytest.raises(ShapeError, match="unique"):
        check_main_results(pd.concat([table, table[:1]]))
