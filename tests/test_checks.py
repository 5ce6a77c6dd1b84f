from __future__ import annotations

from spfem.plots import Check, list_checks


def test_failed_checks_are_shown_like_the_others():
    table = list_checks(Check("one", "1", True), Check("two", "3", False))
    assert table.claim.tolist() == ["one", "two"]
    assert table.found.tolist() == ["1", "3"]
    assert table.holds.tolist() == ["yes", "NO"]
