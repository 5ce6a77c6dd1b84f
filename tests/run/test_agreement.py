import subprocess

import numpy as np
import pandas as pd
import pytest

from spfem.errors import InputError
from spfem.run.agreement import (
    RULES,
    Rule,
    agreement_in_words,
    compare_tables,
    read_committed_tables,
)
from tests.conftest import ROOT

DEFAULT = Rule()


def _table():
    return pd.DataFrame(
        {
            "method": ["copy", "ned", "ned+all"],
            "value": [1.0, 0.50, 0.60],
            "ci_low": [1.0, 0.40, 0.50],
            "ci_high": [1.0, 0.60, 0.70],
            "other": [10.0, 20.0, np.nan],
            "clips": [4, 4, 4],
            "seconds": [1.0, 2.0, 3.0],
        }
    )


def _changed(row, column, value):
    table = _table().astype({column: object}) if isinstance(value, str) else _table()
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("row", "column", "value", "moved"),
    [
        (1, "value", 0.599, False),  # half the interval's width is 0.1
        (1, "value", 0.601, True),
        (1, "ci_high", 0.75, True),
        (0, "value", 1.0005, False),  # an interval without width leaves a thousandth
        (0, "value", 1.002, True),
        (1, "other", 20.9, False),  # 5 %
        (1, "other", 21.1, True),
        (1, "other", np.nan, True),
        (2, "other", 3.0, True),
        (1, "clips", 5, True),
        (1, "seconds", 900.0, False),
    ],
)
def test_planted_drift_is_found_and_noise_is_not(row, column, value, moved):
    found = compare_tables(_table(), _changed(row, column, value), DEFAULT)
    assert [line.partition(" ->")[0].split()[:2] for line in found] == [
        [f"{_table().method[row]}:", column]
    ] * moved


def test_rows_and_columns_on_one_side_are_named_and_order_is_no_drift():
    fresh = _table().iloc[[2, 0]].assign(extra=1.0)
    fresh.loc[9] = {**fresh.iloc[0], "method": "ned+new"}
    assert compare_tables(_table(), fresh, DEFAULT) == ["ned is missing"]
    assert not compare_tables(_table().drop(columns="other"), _table(), DEFAULT)
    lost = compare_tables(_table(), _table().drop(columns="other"), DEFAULT)
    assert lost == ["column other is missing"]


def test_rows_of_one_name_are_compared_in_order():
    twice = pd.DataFrame({"name": ["a", "a"], "x": [1.0, 2.0]})
    other = pd.DataFrame({"name": ["a", "a"], "x": [1.0, 5.0]})
    assert compare_tables(twice, other, DEFAULT) == ["a, 2: x 2 -> 5 (may move by 0.1)"]


def test_a_changed_conclusion_is_drift():
    table = pd.DataFrame({"claim": ["a"], "verdict": ["holds"], "why": ["0.1"], "clear": [True]})
    other = table.assign(verdict="does not hold", why="0.2")
    assert compare_tables(table, other, DEFAULT) == ["a: verdict holds -> does not hold"]
    assert compare_tables(table, table.assign(clear=False), DEFAULT)


def test_timings_are_compared_by_row_only():
    table = pd.DataFrame({"stage": ["a", "b"], "seconds": [1.0, 2.0], "device": ["cpu", "cpu"]})
    rule = RULES["timings"]
    assert not compare_tables(table, table.assign(seconds=9.0, device="cuda"), rule)
    assert compare_tables(table, table.iloc[:1], rule) == ["b is missing"]


@pytest.fixture
def checkout(tmp_path):
    """A committed folder of results."""
    tables = tmp_path / "figures" / "synthetic-smoke" / "tables"
    tables.mkdir(parents=True)
    _table().to_csv(tables / "numbers.csv", index=False)
    _table().to_csv(tables / "lost.csv", index=False)
    for words in (
        ["init", "-q"],
        ["add", "figures"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "results"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tables


def test_a_run_says_whether_it_agrees_with_the_last_commit(checkout):
    results = checkout.parent
    assert agreement_in_words(results).startswith("agrees with the committed results (2 tables")
    _changed(1, "value", 0.9).to_csv(checkout / "numbers.csv", index=False)
    (checkout / "lost.csv").unlink()
    _table().to_csv(checkout / "added.csv", index=False)
    assert agreement_in_words(results).splitlines() == [
        "2 of 2 tables moved from the committed results:",
        "    lost: the fresh run made no such table",
        "    numbers: ned: value 0.5 -> 0.9 (may move by 0.1)",
    ]
    (checkout / "numbers.csv").write_text("")
    with pytest.raises(InputError, match=r"numbers\.csv is no table"):
        agreement_in_words(results)


def test_results_that_nobody_committed_are_compared_with_nothing(checkout, tmp_path):
    assert agreement_in_words(tmp_path).startswith("no results of this corpus and scale")


@pytest.mark.parametrize("scale", ["demo", "full"])
def test_the_tables_of_this_checkout_agree_with_those_of_the_last_commit(scale):
    """After a run whose results are not committed yet, it names what the run moved."""
    results = ROOT / "figures" / f"synthetic-{scale}"
    if not read_committed_tables(results):
        pytest.skip("no checkout with committed results")
    assert agreement_in_words(results).startswith("agrees")
