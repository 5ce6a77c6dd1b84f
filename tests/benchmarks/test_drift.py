"""How far tables lie from those of another machine, on planted tables."""

import pandas as pd
import pytest

from benchmarks.drift import measure_drift


def test_planted_drift_is_measured_by_table(tmp_path):
    table = pd.DataFrame({"name": list("abcd"), "value": 1.0, "clips": 3, "seconds": 1.0})
    planted = {
        "first": table,
        "two": table.assign(value=[1.0, 1.02, 1.0, 1.5], seconds=9.0),
        "more": pd.concat([table, table]),
    }
    for run, one in planted.items():
        (tmp_path / run / "tables").mkdir(parents=True)
        one.to_csv(tmp_path / run / "tables" / "numbers.csv", index=False)
    drift = measure_drift(tmp_path / "first", [tmp_path / "two", tmp_path / "more"])
    two, more = drift.to_dict("records")
    assert (two["table"], two["run"], two["cells"]) == ("numbers", "two", 12)
    assert (two["changed"], two["outside"]) == (2 / 12, 1 / 12)
    assert two["median_relative"] == pytest.approx(0.26)
    assert (more["run"], more["outside"]) == ("more", 1.0)
