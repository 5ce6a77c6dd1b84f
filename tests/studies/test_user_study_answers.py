from __future__ import annotations

import json
import random

import numpy as np
import pandas as pd
import pytest
from studies.user_study import StudyClip, StudySettings, make_design
from studies.user_study_answers import (
    bradley_terry,
    krippendorff_alpha,
    read_study,
    simulate_answers,
)

from spfem.errors import InputError
from tests.studies.study_folder import answers_of, best_of, write_answers

METHODS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def key():
    clips = [
        StudyClip(f"clip{n}-as-happy", "happy", dict.fromkeys(METHODS), None, None)
        for n in range(6)
    ]
    return make_design(clips, StudySettings(), 0).key


@pytest.fixture
def folder(tmp_path, key):
    (tmp_path / "key.json").write_text(json.dumps(key))
    (tmp_path / "in").mkdir()
    return tmp_path


def _read(folder):
    return read_study(folder / "in", folder / "key.json")


def test_planted_preferences_come_back(folder, key):
    draw = random.Random(0)
    strength = {"a": 2.0, "b": 0.0, "c": -2.0, "spoilt": -99.0}

    def choose(trial, question):
        first, second = sorted(trial["videos"].values())
        chance = 1 / (1 + np.exp(strength[second] - strength[first]))
        return first if draw.random() < chance else second

    for number in range(40):
        write_answers(folder / "in" / f"{number}.json", answers_of(number, key, choose))
    tables = _read(folder)
    table = tables["preferences"].set_index(["question", "method"])
    for question in key["questions"]:
        for method in METHODS:
            row = table.loc[question, method]
            others = [strength[o] for o in METHODS if o != method]
            truth = np.mean([1 / (1 + np.exp(o - strength[method])) for o in others])
            assert abs(row.share - truth) < 0.06
            assert row.ci_low < row.share < row.ci_high
            assert abs(row.strength - strength[method]) < 0.4
            assert row.comparisons == 40 * 6 * 2
    pairs = tables["pairs"].set_index(["question", "method", "over"])
    assert abs(pairs.loc[("realism", "a", "c"), "share"] - 1 / (1 + np.exp(-4))) < 0.04
    assert set(tables) == {"preferences", "pairs", "agreement", "participants", "problems"}


def test_interval_covers_people_that_differ(folder, key):
    """Half of the people always prefer a, half always c: hundreds of answers, but few people."""
    for number in range(8):
        order = ["a", "b", "c"] if number % 2 else ["c", "b", "a"]
        write_answers(folder / "in" / f"{number}.json", answers_of(number, key, best_of(order)))
    row = _read(folder)["preferences"].query("question == 'realism' and method == 'a'").iloc[0]
    assert row.share == 0.5
    naive = 1.96 * np.sqrt(0.25 / row.comparisons)
    assert row.ci_high - row.ci_low > 4 * naive


def test_failed_checks_are_named_and_left_out(folder, key):
    good = answers_of(1, key, best_of(METHODS))
    bad = answers_of(2, key, best_of(["spoilt", "c", "b", "a"]))
    write_answers(folder / "in" / "good.json", good)
    write_answers(folder / "in" / "bad.json", bad)
    tables = _read(folder)
    people = tables["participants"].set_index("file")
    assert (people.counted["good.json"], people.counted["bad.json"]) == (True, False)
    assert people.checks_failed["bad.json"] == StudySettings.checks
    first = tables["preferences"].query("method == 'a'")
    assert (first.share == 1).all()
    assert (first.participants == 1).all()


def test_repeats_measure_consistency_and_are_not_counted_twice(folder, key):
    record = answers_of(1, key, best_of(METHODS))
    shown = [row for row in record["answers"] if "expected" not in key["trials"][row["trial"]]]
    same, other = shown[0], shown[1]
    turned = {"left": "right", "right": "left"}
    swapped = {q: turned[side] for q, side in same["choices"].items()}
    sides = {"left": same["right"], "right": same["left"]}
    record["answers"].append({**same, **sides, "choices": swapped, "repeat": True})
    changed = {q: turned[side] for q, side in other["choices"].items()}
    record["answers"].append({**other, "choices": changed, "repeat": True})
    write_answers(folder / "in" / "one.json", record)
    tables = _read(folder)
    assert (tables["agreement"].repeats == 2).all()
    assert (tables["agreement"].repeats_alike == 0.5).all()
    assert (tables["preferences"].comparisons == 12).all()


def _damage(record, change):
    record = json.loads(json.dumps(record))
    change(record)
    return record


DAMAGE = {
    "another study": lambda r: r.update(study="other"),
    "not a file of answers": lambda r: r.update(format="x"),
    "participant's number": lambda r: r.update(participant="../../etc"),
    "no consent": lambda r: r.update(consent=""),
    "list of answers": lambda r: r.update(answers={}),
    "an answer is damaged": lambda r: r["answers"].append(3),
    "not of this study": lambda r: r["answers"][0].update(trial="ffffffffffff"),
    "is not of this study": lambda r: r["answers"][0].update(trial=["x"]),
    "other videos": lambda r: r["answers"][0].update(left="x"),
    "has other videos": lambda r: r["answers"][0].update(left=[1]),
    "cannot give": lambda r: r["answers"][0]["choices"].update(realism="both"),
    "has an answer": lambda r: r["answers"][0]["choices"].update(money="left"),
    "damaged time": lambda r: r["answers"][0].update(seconds=float("inf")),
    "damaged time or": lambda r: r["answers"][0].update(seconds=True),
    "mark of repetition": lambda r: r["answers"][0].update(repeat=1),
    "answered twice": lambda r: r["answers"].append(r["answers"][0]),
}


def test_hostile_and_damaged_files_are_listed_and_left_out(folder, key):
    good = answers_of(1, key, best_of(METHODS))
    write_answers(folder / "in" / "00.json", good)
    wanted = {}
    for number, (reason, change) in enumerate(DAMAGE.items(), 10):
        record = _damage({**good, "participant": f"{number:012x}"}, change)
        wanted[f"{number}.json"] = reason
        write_answers(folder / "in" / f"{number}.json", record)
    for name, content, reason in (
        ("a.json", b"{", "not readable"),
        ("b.json", b"[" * 100_000, "not readable"),
        ("c.json", b"\xff\xfe", "not readable"),
        ("d.json", b" " * (StudySettings.largest_file_bytes + 1), "larger than"),
        ("f.json", json.dumps(good).encode(), "second file"),
    ):
        (folder / "in" / name).write_bytes(content)
        wanted[name] = reason
    tables = _read(folder)
    problems = {row.file: row.problem for row in tables["problems"].itertuples()}
    assert problems.keys() == wanted.keys()
    for name, reason in wanted.items():
        assert reason in problems[name], (name, problems[name])
    assert list(tables["participants"].file) == ["00.json"]


def test_nothing_usable_and_a_wrong_key_are_named(folder):
    (folder / "in" / "a.json").write_text("{}")
    with pytest.raises(InputError, match="no usable file"):
        _read(folder)
    with pytest.raises(InputError, match="no key of a study"):
        read_study(folder / "in", folder / "in" / "a.json")
    with pytest.raises(InputError, match="give the key"):
        read_study(folder / "in", folder / "missing.json")


def test_simulated_raters_give_back_their_strengths_and_fail_no_check(folder):
    strengths = {"a": 1.0, "b": 0.0, "c": -1.0}
    simulate_answers(folder / "key.json", folder / "in", strengths, raters=60)
    tables = _read(folder)
    assert tables["participants"].counted.all()
    found = tables["preferences"].set_index(["question", "method"]).strength
    for method, strength in strengths.items():
        assert found["mouth", method] == pytest.approx(strength, abs=0.25)


def _alpha_by_pairs(rows):
    """Slow: disagreement of all pairs within comparisons over that of all pairs at all."""
    units = [list(part.winner) for _, part in rows.groupby("trial") if len(part) > 1]
    observed = [
        (x != y) / (len(unit) - 1)
        for unit in units
        for i, x in enumerate(unit)
        for j, y in enumerate(unit)
        if i != j
    ]
    values = [value for unit in units for value in unit]
    expected = [x != y for i, x in enumerate(values) for j, y in enumerate(values) if i != j]
    return 1 - (sum(observed) / len(values)) / (sum(expected) / len(expected))


def test_alpha_equals_its_definition_over_pairs():
    draw = random.Random(3)
    rows = pd.DataFrame(
        [(t, draw.choice("aab")) for t in range(20) for _ in range(draw.randint(1, 5))],
        columns=["trial", "winner"],
    )
    assert krippendorff_alpha(rows) == pytest.approx(_alpha_by_pairs(rows))
    same = pd.DataFrame({"trial": [1, 1, 2, 2], "winner": ["a", "a", "b", "b"]})
    assert krippendorff_alpha(same) == 1
    assert np.isnan(krippendorff_alpha(same.iloc[:0]))


def test_strengths_solve_the_likelihood_equations():
    draw = random.Random(1)
    pairs = [draw.sample("abcd", 2) for _ in range(200)]
    rows = pd.DataFrame(pairs, columns=["winner", "loser"])
    prior = 0.5
    found = bradley_terry(rows, list("abcd"), prior)
    assert sum(found.values()) == pytest.approx(0, abs=1e-8)
    for one in "abcd":
        wins = expected = 0.0
        for other in set("abcd") - {one}:
            won = ((rows.winner == one) & (rows.loser == other)).sum() + prior
            lost = ((rows.winner == other) & (rows.loser == one)).sum() + prior
            wins += won
            expected += (won + lost) / (1 + np.exp(found[other] - found[one]))
        assert wins == pytest.approx(expected, rel=1e-6)
