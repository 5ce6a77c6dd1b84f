from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spfem.evaluation.tables import COLUMNS, clear_best, main_results, paper_layout, save_table
from spfem.settings import EvaluationSettings
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
    assert list(layout.columns[:4]) == ["setting", "metric", "measured with", "method"]
    assert list(layout.columns[-2:]) == ["surprised", "average"]
    csim = layout[(layout.metric == "csim ↑") & (layout.setting == "intra")].set_index("method")
    assert csim.average["ned+asccl"] == "**23.000 [23.000, 23.000]**"
    assert csim.average["truth"] == "33.000 [33.000, 33.000]"
    assert set(COLUMNS) == set(results.columns)
