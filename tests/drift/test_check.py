import subprocess

import numpy as np
import pandas as pd
import pytest

from spfem.__main__ import main
from spfem.drift.compare import compare_tables
from spfem.drift.tolerances import DEFAULT, Rule, rule_of


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
    assert [(m.row, m.column) for m in found.moves] == [(_table().method[row], column)] * moved
    assert found.drifted == moved


def test_rows_and_columns_on_one_side_are_named_and_order_is_no_drift():
    fresh = _table().iloc[[2, 0]].assign(extra=1.0)
    fresh.loc[9] = {**fresh.iloc[0], "method": "ned+new"}
    found = compare_tables(_table(), fresh, DEFAULT)
    assert found.missing == ["ned"]
    assert found.new == ["column extra", "ned+new"]
    assert not found.moves
    assert not compare_tables(_table().drop(columns="other"), _table(), DEFAULT).drifted
    assert compare_tables(_table(), _table().drop(columns="other"), DEFAULT).missing == [
        "column other"
    ]


def test_rows_of_one_name_are_compared_in_order():
    twice = pd.DataFrame({"name": ["a", "a"], "x": [1.0, 2.0]})
    other = pd.DataFrame({"name": ["a", "a"], "x": [1.0, 5.0]})
    found = compare_tables(twice, other, DEFAULT)
    assert [(move.row, move.committed, move.fresh) for move in found.moves] == [("a, 2", 2.0, 5.0)]


def test_a_changed_conclusion_is_drift():
    table = pd.DataFrame({"claim": ["a"], "verdict": ["holds"], "why": ["0.1"], "clear": [True]})
    other = table.assign(verdict="does not hold", why="0.2")
    assert [m.column for m in compare_tables(table, other, DEFAULT).moves] == ["verdict"]
    assert compare_tables(table, table.assign(clear=False), DEFAULT).drifted


def test_timings_are_compared_by_row_only():
    table = pd.DataFrame({"stage": ["a", "b"], "seconds": [1.0, 2.0], "device": ["cpu", "cpu"]})
    rule = rule_of("timings")
    assert rule != Rule()
    assert not compare_tables(table, table.assign(seconds=9.0, device="cuda"), rule).drifted
    assert compare_tables(table, table.iloc[:1], rule).missing == ["b"]


@pytest.fixture
def checkout(tmp_path):
    """A committed folder of results, whose path is absolute so that the project has no say."""
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


def _check(tables, *words):
    figures = tables.parent.parent
    return main(["check", "--scale", "smoke", "--figures", str(figures), *map(str, words)])


def test_command_compares_with_the_last_commit(checkout, capsys):
    assert _check(checkout) == 0
    assert "nothing moved" in capsys.readouterr().out
    _changed(1, "value", 0.9).to_csv(checkout / "numbers.csv", index=False)
    (checkout / "lost.csv").unlink()
    _table().to_csv(checkout / "added.csv", index=False)
    assert _check(checkout) == 1
    answer = capsys.readouterr()
    assert "ned: value 0.5 -> 0.9 (may move by 0.1)" in answer.out
    assert "numbers: 1 of 3 rows moved" in answer.out
    assert "lost: MISSING" in answer.out
    assert "added: new table" in answer.out
    assert answer.err.startswith("spfem: DriftError: results moved in lost, numbers")


def test_command_compares_with_a_folder(checkout, tmp_path, capsys):
    other = tmp_path / "other" / "tables"
    other.mkdir(parents=True)
    _changed(1, "clips", 3).to_csv(other / "numbers.csv", index=False)
    assert _check(checkout, "--against", other.parent) == 1
    assert "clips 3 -> 4" in capsys.readouterr().out
    assert _check(checkout, "--against", tmp_path / "nowhere") == 1
    assert "holds no table" in capsys.readouterr().err
    assert _check(checkout, "--corpus", "mead") == 1
    assert "is missing" in capsys.readouterr().err


def test_damaged_table_is_named(checkout, capsys):
    (checkout / "numbers.csv").write_text("")
    assert _check(checkout) == 1
    assert "numbers.csv is no table" in capsys.readouterr().err
