import subprocess

import numpy as np
import pandas as pd
import pytest

from spfem.errors import InputError
from spfem.run import agreement
from spfem.run.agreement import compare_with_reference, differences, read_shares
from tests.conftest import ROOT


def _table(rows=40):
    number = np.arange(rows)
    return pd.DataFrame(
        {
            "method": [f"m{n}" for n in number],
            "value": 0.5,
            "ci_low": 0.4,
            "ci_high": 0.7,
            "other": 20.0,
            "clips": 4,
            "verdict": "holds",
            "seconds": number,
            "why": "0.5",
        }
    )


def _cells(column, value, rows=1):
    fresh = _table().astype({column: object})
    fresh.loc[: rows - 1, column] = value
    return differences(_table(), fresh)


@pytest.mark.parametrize(
    ("column", "value", "within"),
    [
        ("value", 0.69, True),
        ("value", 0.71, False),
        ("value", 0.41, True),
        ("value", 0.39, False),
        ("ci_low", 0.2, True),  # by the interval's width
        ("ci_low", 0.05, False),
        ("other", 20.9, True),
        ("other", 21.1, False),
        ("other", np.nan, False),
        ("verdict", "does not hold", False),
        ("seconds", 900, True),
        ("why", "0.7", True),
    ],
)
def test_planted_drift_is_found_and_noise_is_not(column, value, within):
    assert bool(_cells(column, value, rows=40)) is not within


def test_few_cells_may_lie_outside_but_no_count():
    compared = 7 * 40  # cells: seconds and why are no results
    most = int(agreement.USUAL_SHARE * compared)
    assert _cells("value", 0.9, rows=most) == []
    first, *moved = _cells("value", 0.9, rows=most + 1)
    assert first == f"{most + 1} of {compared} cells are outside, 5% may be"
    assert moved[0] == "row 0: value 0.5 -> 0.9"
    assert len(moved) == most + 1
    assert _cells("clips", 5) != []


def test_a_noisy_table_may_move_twice_as_far_as_was_measured(folders):
    results, reference = folders
    _table().assign(value=0.9).to_csv(results / "tables" / "numbers.csv", index=False)
    assert compare_with_reference(results, reference).startswith("1 of 2 tables moved")
    drift = pd.DataFrame({"table": ["numbers"] * 2, "run": ["a", "b"], "outside": [0.0, 0.08]})
    drift.to_csv(reference.parents[1] / "drift.csv", index=False)
    assert read_shares(reference.parents[1] / "drift.csv") == {"numbers": 0.16}  # of 1 / 7
    assert compare_with_reference(results, reference).startswith("agrees")
    drift.assign(outside=0.07).to_csv(reference.parents[1] / "drift.csv", index=False)
    assert "numbers" in compare_with_reference(results, reference)


def test_lost_rows_and_columns_are_named_and_more_columns_are_no_drift():
    assert differences(_table(), _table(39)) == ["39 rows instead of 40"]
    assert differences(_table(), _table().drop(columns="other")) == ["without the columns other"]
    assert differences(_table(), _table().drop(columns="seconds")) == []
    assert differences(_table().drop(columns="other"), _table()) == []


def test_of_a_difference_how_sure_it_is_is_not_compared_again():
    """A probability jumps where an interval just moves; the difference and its interval count."""
    sure = {"difference": 0.1, "p": 0.5, "clear": False, "at_least_3": 0.4, "detectable_80": 0.2}
    table = _table().drop(columns="value").assign(**sure)
    moved = table.assign(p=0.1, clear=True, at_least_3=0.9, detectable_80=0.3)
    assert differences(table.assign(difference=0.5), moved.assign(difference=0.6)) == []
    assert differences(table.assign(difference=0.5), moved.assign(difference=0.8))
    alone = table.drop(columns="difference")  # a table of probabilities has no other results
    assert differences(alone, moved.drop(columns="difference"))


def test_rates_are_no_results():
    table = pd.DataFrame({"check": ["speed"], "value": [30.0], "unit": ["frames a second"]})
    assert differences(table, table.assign(value=90.0)) == []
    frames = table.assign(unit="frames")
    assert differences(frames, frames.assign(value=90.0))


@pytest.fixture
def folders(tmp_path):
    fresh, reference = tmp_path / "run", tmp_path / "reference" / "run"
    for folder in (fresh, reference):
        (folder / "tables").mkdir(parents=True)
        for table in ("numbers", "lost", "timings"):
            _table().to_csv(folder / "tables" / f"{table}.csv", index=False)
    return fresh, reference


def test_a_run_says_in_a_line_whether_it_agrees(folders):
    results, reference = folders
    assert compare_with_reference(results, reference).startswith("agrees with the committed")
    tables = results / "tables"
    _table().assign(value=0.9).to_csv(tables / "numbers.csv", index=False)
    (tables / "timings.csv").unlink()
    (tables / "lost.csv").unlink()
    said = compare_with_reference(results, reference)
    assert said == f"2 of 2 tables moved ({results / 'moved.txt'}): lost, numbers"
    details = (results / "moved.txt").read_text().splitlines()
    assert details[0] == "lost: the run made no such table"
    assert details[2] == "numbers: row 0: value 0.5 -> 0.9"
    _table().to_csv(tables / "numbers.csv", index=False)
    _table().to_csv(tables / "lost.csv", index=False)
    assert compare_with_reference(results, reference).startswith("agrees")
    assert not (results / "moved.txt").exists()
    (tables / "numbers.csv").write_text("")
    with pytest.raises(InputError, match=r"numbers\.csv is no table"):
        compare_with_reference(results, reference)


def test_ablations_are_made_on_request_and_the_reference_is_not_compared_with_itself(folders):
    results, reference = folders
    _table().to_csv(reference / "tables" / "ablation_spatial.csv", index=False)
    assert compare_with_reference(results, reference).startswith("agrees")
    _table(9).to_csv(results / "tables" / "ablation_spatial.csv", index=False)
    assert "ablation_spatial" in compare_with_reference(results, reference)
    assert compare_with_reference(reference, reference).startswith("these are the committed")
    assert compare_with_reference(results, results.parent).startswith("no results")


def test_what_a_run_writes_is_ignored_by_git():
    """A run leaves the checkout as it was: locks, data, results, of any corpus and scale."""
    written = [
        f"{folder}/{corpus}-{scale}/{name}"
        for corpus in ("synthetic", "mead", "own-clips")
        for scale in ("smoke", "demo", "full", "paper")
        for folder, name in (
            ("data", "corpus/artifact.json"),
            ("figures", "manifest.json"),
            ("figures", "moved.txt"),
            ("figures", "tables/main_results.csv"),
            ("figures", "notebooks/00_start_here.ipynb"),
        )
    ]
    written += ["data/.synthetic-demo.run", "data/cache/own/x/track/track.npz"]
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", *written], cwd=ROOT, capture_output=True, text=True
    )
    if asked.returncode > 1:
        pytest.skip("not a git checkout")
    assert sorted(asked.stdout.split()) == sorted(written)
    kept = "figures/reference/synthetic-demo/tables/main_results.csv"
    answer = subprocess.run(["git", "check-ignore", "--no-index", kept], cwd=ROOT)
    assert answer.returncode == 1
    tracked = subprocess.run(
        ["git", "ls-files", "-ci", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    assert not [n for n in tracked.stdout.split() if not n.startswith("figures/reference/")]
