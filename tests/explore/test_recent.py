from __future__ import annotations

from spfem.explore.recent import Recent


def test_the_least_recently_used_goes_first_and_the_newest_always_stays():
    kept, made = Recent(5, len), []

    def get(key, length):
        return kept.get(key, lambda: made.append(key) or "x" * length)

    get("a", 2), get("b", 2), get("a", 2), get("c", 2)
    assert made == ["a", "b", "c"]
    assert kept.size == 4
    get("a", 2)
    assert made == ["a", "b", "c"]
    get("b", 2)
    assert made == ["a", "b", "c", "b"]
    assert get("large", 9) == "x" * 9
    assert kept.size == 9
