"""The answer on where the gains come from follows the numbers, whichever they are."""

from __future__ import annotations

from itertools import product

import pandas as pd
import pytest
from studies.hypothesis import (
    CONTRADICTED,
    DESCRIBED,
    FORMS,
    IDENTITY,
    OPEN,
    RELEASED,
    SUPPORTED,
    answer_hypothesis,
    hypothesis_table,
)

METRICS = ("fad", "csim", "lse_d", "mouth_error")


def make_differences(gains, *, methods=tuple(FORMS), against_identity=()):
    """`gains`: method to the metrics in which it is clearly better than NED; `!` before: worse."""
    rows = []
    pairs = [(method, "ned") for method in methods] + [(RELEASED, IDENTITY)]
    for (method, against), metric, base in product(pairs, METRICS, ("moved", "ned")):
        named = against_identity if against == IDENTITY else gains.get(method, ())
        worse = f"!{metric}" in named
        rows.append(
            {
                "base": base, "setting": "cross", "method": method, "against": against,
                "metric": metric, "backbone": "x", "difference": -1.0, "ci_low": -2.0,
                "ci_high": -0.5, "relative_difference": -0.1, "detectable_80": 0.02,
                "clear": worse or metric in named, "better": not worse,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gains", "against_identity", "verdict", "word"),
    [
        ({RELEASED: ("fad", "csim"), IDENTITY: ("fad", "csim")}, (), SUPPORTED, "both gain in fad"),
        ({RELEASED: ("csim",), IDENTITY: ("fad", "csim")}, ("csim",), SUPPORTED, "gain in csim"),
        ({}, (), OPEN, "neither in FAD nor"),
        ({RELEASED: ("!fad", "!csim")}, (), CONTRADICTED, "worse"),
        ({RELEASED: ("fad", "lse_d"), IDENTITY: ("fad",)}, (), CONTRADICTED, "is speech"),
        ({RELEASED: ("fad",), DESCRIBED: ("fad",), IDENTITY: ("fad",)}, (), OPEN, "as described"),
        ({RELEASED: ("fad",)}, ("fad",), CONTRADICTED, "clearly more than identity"),
        ({RELEASED: ("fad",)}, (), OPEN, "cannot be told"),
    ],
)
def test_the_rule(gains, against_identity, verdict, word):
    table = hypothesis_table(make_differences(gains, against_identity=against_identity))
    found, sentence = answer_hypothesis(table)["cross"]
    assert found == verdict
    assert word in sentence
    assert f"cross-ID: {verdict}, since " in sentence
    assert "as released: fad -10.0%" in sentence


def test_rows_are_of_the_published_renderer_and_a_missing_form_is_named():
    differences = make_differences({}, methods=(RELEASED, IDENTITY))
    table = hypothesis_table(differences)
    assert len(table) == 3 * len(METRICS)
    assert set(table.form) == {"as released", "identity features"}
    verdict, sentence = answer_hypothesis(table)["cross"]
    assert verdict == OPEN
    assert "no run as described" in sentence
    assert answer_hypothesis(hypothesis_table(differences[differences.base == "moved"])) == {}
