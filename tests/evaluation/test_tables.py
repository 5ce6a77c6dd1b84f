"""Tables on planted scores: the main results, their files and layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spfem.errors import ShapeError
from spfem.evaluation.tables import (
    COLUMNS,
    check_main_results,
    clear_best,
    main_results,
    paper_layout,
    save_table,
)
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import make_real, make_scores


def test_files_hold_the_table(tmp_path):
    table = pd.DataFrame({"name": ["a_b", "**c%**"], "value": [1 / 3, np.nan], "n ↑": [1, 2]})
    csv, tex, markdown = save_table(table, tmp_path / "tables", "results")
    assert pd.read_csv(csv).value[0] == 1 / 3
    text = tex.read_text()
    for piece in (r"\toprule", r"\bottomrule", r"a\_b", r"\textbf{c\%}", "0.333", r"n $\uparrow$"):
        assert piece in text
    assert markdown.read_text().splitlines()[2:] == ["| a_b | 0.333 | 1 |", "| **c%** | n/a | 2 |"]
    assert sorted(path.suffix for path in (tmp_path / "tables").iterdir()) == [
        ".csv",
        ".md",
        ".tex",
    ]


def cell(*rows):
    return pd.DataFrame(rows, columns=["method", "value", "ci_low", "ci_high"])


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([("ned", 2.0, 1.9, 2.1), ("ned+asccl", 1.0, 0.9, 1.1)], "ned+asccl"),
        ([("ned", 2.0, 1.0, 2.1), ("ned+asccl", 1.0, 0.9, 1.1)], None),
        ([("copy", 0.0, 0.0, 0.0), ("ned", 2.0, 1.9, 2.1)], None),
        ([("ned", np.nan, np.nan, np.nan), ("ned+asccl", 1.0, 0.9, 1.1)], None),
    ],
)
def test_only_a_clear_best_is_marked(rows, best):
    assert clear_best(cell(*rows), higher_is_better=False) == best


def test_paper_layout_has_a_row_for_each_method():
    settings = EvaluationSettings(resamples=5, frechet_resamples=3)
    results = main_results(make_scores(), make_real(), settings)
    layout = paper_layout(results, ["fad", "csim"])
    assert len(layout) == 2 * (2 + 1) * 4
    shown = ["base", "setting", "metric", "measured with", "method"]
    assert list(layout.columns[:5]) == shown
    assert list(layout.columns[-2:]) == ["surprised", "average"]
    csim = layout[(layout.metric == "csim ↑") & (layout.setting == "intra")].set_index("method")
    assert csim.average["ned+asccl"] == "**23.000 [23.000, 23.000]**"
    assert csim.average["truth"] == "33.000 [33.000, 33.000]"
    assert set(COLUMNS) == set(results.columns)


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
    shifted = [replace(s, scores={**s.scores, "lse_c": float(s.edit.actor[1:])}) for s in scores]
    row = pick(main_results(shifted, make_real(), SETTINGS), metric="lse_c", emotion="average")
    assert row.value.iloc[0] == pytest.approx(2.0)
    assert row.ci_low.iloc[0] < 1.7
    assert row.ci_high.iloc[0] > 2.3


@pytest.mark.parametrize(
    ("metric", "values", "ends"),
    [
        ("emotion_accuracy", (1, 1, 0), (0, 1)),
        ("mouth_error", (0.1, 0.2, 4), (0, None)),
        ("csim", (0.99, 0.5, 0.97), (None, 1)),
        ("expression_gain", (1, 1, 0), (None, None)),
    ],
)
def test_an_interval_ends_where_the_metric_does(metric, values, ends):
    """Few actors spread the draws beyond what can be; what a metric cannot be is not shown."""
    scores = make_scores(methods=("ned",), seeds=(0,))
    actors = sorted({score.edit.actor for score in scores})
    planted = {actor: values[number % 3] for number, actor in enumerate(actors)}
    shifted = [replace(s, scores={**s.scores, metric: planted[s.edit.actor]}) for s in scores]
    row = pick(main_results(shifted, make_real(), SETTINGS), metric=metric, emotion="average")
    least, most = (-np.inf if ends[0] is None else ends[0], np.inf if ends[1] is None else ends[1])
    assert least <= row.ci_low.iloc[0] < row.value.iloc[0] < row.ci_high.iloc[0] <= most
    free = pick(main_results(
        [replace(s, scores={**s.scores, "lse_c": s.scores[metric]}) for s in shifted],
        make_real(), SETTINGS,
    ), metric="lse_c", emotion="average")  # fmt: skip
    for ours, free_end, end in (
        (row.ci_low.iloc[0], free.ci_low.iloc[0], least),
        (row.ci_high.iloc[0], free.ci_high.iloc[0], most),
    ):
        beyond = free_end < end if end == least else free_end > end
        assert ours == pytest.approx(end if beyond else free_end)


def test_lost_faces_leave_gaps_that_say_so():
    scores = make_scores(methods=("ned",), seeds=(0,))
    values = {True: np.nan, False: 1.0}
    lost = [
        replace(s, scores={**s.scores, "csim": values[s.edit.emotion == "sad"]}) for s in scores
    ]
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
        ({"base": "drawn"}, "bases"),
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
