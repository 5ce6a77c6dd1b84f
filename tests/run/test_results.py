"""Which codes a score is held to: those of the edit beside the true ones, where both are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.corpus.protocol import Edit
from spfem.run import results

SOURCE = "A/neutral/level_1/1"
EDITS = tuple(Edit("intra", SOURCE, f"A/{e}/level_3/2", e, "A") for e in ("sad", "fear"))
OWN, MOVED, TRUE = (np.full((3, 52), level) for level in (0.1, 0.2, 0.3))


@pytest.fixture
def job(monkeypatch):
    """A job of `ned`; the true edit of `fear` is not known."""
    track = SimpleNamespace(identity=np.zeros(4), expression=OWN)
    asked = []

    def edited(workspace, method, seed, edits):
        asked.append((method, seed))
        return dict.fromkeys(edits, MOVED)

    for name, replacement in {
        "clips_by_key": lambda _: {SOURCE: "clip"},
        "make_persons": lambda _: {SOURCE: track},
        "true_codes": lambda _, clip, emotion: TRUE if emotion == "sad" else None,
        "edited_codes": edited,
    }.items():
        monkeypatch.setattr(results, name, replacement)

    def make(method, made):
        return results._ActorJob(None, method, 2, EDITS, made, None, Path())

    return SimpleNamespace(make=make, asked=asked)


def test_a_trained_method_is_held_to_its_own_codes(job):
    found = results._codes(job.make("ned", "made"))
    assert list(found) == [EDITS[0]]
    assert (found[EDITS[0]].expression is MOVED, found[EDITS[0]].true_expression is TRUE) == (1, 1)
    assert job.asked == [("ned", 2)]


def test_a_copy_is_held_to_the_codes_of_its_source(job):
    assert results._codes(job.make("copy", None))[EDITS[0]].expression is OWN
    assert job.asked == []


def test_recordings_have_no_true_codes_and_no_manipulator_is_asked(job, monkeypatch):
    monkeypatch.setattr(results, "true_codes", lambda *_: None)
    assert results._codes(job.make("ned", "made")) == {}
    assert job.asked == []
