"""Tables on planted scores: the main results, moved pixels, their files and layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from spfem.corpus.protocol import edit_protocol
from spfem.errors import ShapeError
from spfem.evaluation.frechet import frechet_distance
from spfem.evaluation.moved_pixels import METRICS, OWN_ROWS, ROWS, moved_pixels_table
from spfem.evaluation.scores import CLIP_METRICS, ClipScore
from spfem.evaluation.tables import (
    COLUMNS,
    check_main_results,
    clear_best,
    main_results,
    paper_layout,
    save_table,
)
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import (
    make_corpus,
    make_real,
    make_sample,
    make_scores,
)


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
    shifted = [replace(s, scores={**s.scores, "csim": float(s.edit.actor[1:])}) for s in scores]
    row = pick(main_results(shifted, make_real(), SETTINGS), metric="csim", emotion="average")
    assert row.value.iloc[0] == pytest.approx(2.0)
    assert row.ci_low.iloc[0] < 1.7
    assert row.ci_high.iloc[0] > 2.3


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


MOVED_SETTINGS = EvaluationSettings(resamples=300, frechet_resamples=40)
PER_CLIP = tuple(metric for metric in METRICS if metric != "fad")


def planted(rows=tuple(ROWS)):
    """Value of a metric: 10 x row + source, so a row's mean and its interval are known."""
    random = np.random.default_rng(0)
    edits = [
        edit
        for edit in edit_protocol(make_corpus(targets=2), sources_per_actor=2)
        if edit.setting == "intra" and edit.emotion != "neutral"
    ]
    sources = sorted({edit.source for edit in edits})
    scores = []
    for place, row in enumerate(ROWS):
        for edit in edits if row in rows else ():
            if row in OWN_ROWS and edit.emotion != EMOTIONS[1]:
                continue
            value = 10.0 * place + sources.index(edit.source)
            values = dict.fromkeys((*CLIP_METRICS, *PER_CLIP), value)
            sample = make_sample(random, edit.actor, edit.emotion, shift=0.3 * place)
            scores.append(ClipScore(edit, row, 0, values, edit.emotion, sample))
    return scores


@pytest.fixture(scope="module")
def moved():
    return moved_pixels_table(planted(), make_real(), MOVED_SETTINGS)


def test_values_are_means_over_edits_and_intervals_hold_them(moved):
    found = moved.set_index(["row", "metric"])
    for place, row in enumerate(ROWS):
        for metric in PER_CLIP:
            cell = found.loc[row, metric]
            if row in OWN_ROWS and metric == "emotion_accuracy":
                assert (cell.edits, np.isnan(cell.value)) == (0, True)
                continue
            assert cell.value == pytest.approx(10 * place + 1.5)  # four sources: 0, 1, 2, 3
            assert cell.edits == (4 if row in OWN_ROWS else 24)
            assert cell.ci_low <= cell.value <= cell.ci_high


def test_intervals_redraw_sources_not_edits(moved):
    """By hand: four sources, 0, 1, 2 and 3, all edits of a source together."""
    wanted = ttest_1samp(np.arange(4), 0).confidence_interval(MOVED_SETTINGS.confidence)
    cell = moved.set_index(["row", "metric"]).loc["copy", "mouth_error"]
    assert (cell.ci_low, cell.ci_high) == pytest.approx(wanted, abs=0.4)


def test_bad_scores_are_named():
    scores = planted(("ned",))
    with pytest.raises(ShapeError, match="one edit"):
        moved_pixels_table([*scores, scores[0]], make_real(), MOVED_SETTINGS)
    with pytest.raises(ShapeError, match="ours"):
        moved_pixels_table([replace(scores[0], method="ours")], make_real(), MOVED_SETTINGS)


def test_fad_is_the_mean_over_emotions_of_pooled_sources(moved):
    scores, real = planted(), make_real()
    by_hand = []
    for emotion in EMOTIONS[1:]:
        shown = [
            s.sample.blendshapes for s in scores if (s.method, s.edit.emotion) == ("ned", emotion)
        ]
        true = [s.blendshapes for s in real if s.emotion == emotion]
        by_hand.append(frechet_distance(np.concatenate(shown), np.concatenate(true)))
    cell = moved.set_index(["row", "metric"]).loc["ned", "fad"]
    assert cell.value == pytest.approx(np.mean(by_hand))
    assert 0 <= cell.ci_low <= cell.value <= cell.ci_high
    assert np.isnan(moved.set_index(["row", "metric"]).loc["own", "fad"].value)
