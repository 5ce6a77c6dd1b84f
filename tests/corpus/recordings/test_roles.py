"""Roles: the papers' where they fit, the corpus's own, or shared out."""

import pytest

from spfem.corpus.layouts import protocol_roles, share_out


@pytest.mark.parametrize("count", range(1, 60))
def test_shared_out(count):
    roles = share_out(f"{k:02d}" for k in range(count))
    values = list(roles.values())
    assert len(roles) == count
    assert 1 <= values.count("target") <= 6
    assert values.count("held_out") == (count > 2)
    assert count == 1 or "train" in values
    targets = [actor for actor, role in roles.items() if role == "target"]
    assert targets == sorted(roles)[-len(targets) :]


def test_papers_roles():
    roles = protocol_roles("mead", ["M003", "M005", "W021", "M013", "W015"])
    assert roles == {"M003": "target", "M005": "train", "W015": "target", "W021": "held_out"}
    assert protocol_roles("mead", ["M003", "M005", "M007"])["M007"] == "held_out"
    assert protocol_roles("mead", ["M003", "W015"]) == {}
    assert protocol_roles("own", ["M003", "M005", "W021"]) == {}
    assert protocol_roles("ravdess", ["Actor_01", "Actor_23", "Actor_24"])["Actor_24"] == "held_out"
