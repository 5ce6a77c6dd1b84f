"""Which codes a score is held to: those of the edit beside the true ones, where both are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.corpus.protocol import Edit
from spfem.evaluation.identity import DlibIdentity
from spfem.evaluation.mouth import mesh_mouth_error
from spfem.evaluation.scores import load_score, save_score
from spfem.head.model import load_head_model
from spfem.run import results
from spfem.scales import load_scale

SOURCE = "A/neutral/level_1/1"
EDITS = tuple(Edit("intra", SOURCE, f"A/{e}/level_3/2", e, "A") for e in ("sad", "fear"))
OWN, MOVED, TRUE = (np.full((3, 52), level) for level in (0.1, 0.2, 0.3))
NOBODY = np.zeros(len(load_head_model().identity_basis))


@pytest.fixture
def job(monkeypatch):
    """A job of `ned`; the true edit of `fear` is not known."""
    track = SimpleNamespace(identity=NOBODY, expression=OWN)
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
        return results._ActorJob(None, method, 2, EDITS, frozenset(EDITS), made, None, Path())

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


def test_edits_without_a_picture_are_scored_by_their_codes_alone(job, monkeypatch, tmp_path):
    shown, seen = EDITS[1], []
    for name, replacement in {
        "load_identity": lambda _: DlibIdentity(),
        "load_lip_sync_meter": lambda _: None,
        "read_video": lambda _: SimpleNamespace(audio=None, frames=None, fps=25),
        "sample_source": lambda *_: ("source", "sample"),
        "read_truth": lambda *_: None,
        "clips_by_key": lambda _: {SOURCE: SimpleNamespace(video=None)},
        "_shown": lambda job, edit, *_: edit.name,
        "score_clip": lambda edit, method, picture, **_: seen.append((edit, picture)),
        "save_score": lambda path, score: score and save_score(path, score),
    }.items():
        monkeypatch.setattr(results, name, replacement)
    made = job.make("ned", "made")
    results._score_actor(replace(made, shown=frozenset([shown]), folder=tmp_path))
    assert seen == [(shown, shown.name)]
    score = load_score(tmp_path / f"{EDITS[0].name}.npz")
    expected = mesh_mouth_error(NOBODY, MOVED, TRUE).mean()
    assert expected > 0
    found = {name: value for name, value in score.scores.items() if not np.isnan(value)}
    assert found == {"mesh_mouth_error": pytest.approx(expected)}
    assert (score.method, score.seed, score.named_emotion) == ("ned", 2, "")
    assert len(score.sample.embeddings) == len(score.sample.blendshapes) == 0
    assert not (tmp_path / f"{shown.name}.npz").exists()
    assert score.base == "moved"
    save_score(tmp_path / "other.npz", replace(score, base="ned"))
    assert load_score(tmp_path / "other.npz").base == "ned"


def test_what_shows_the_corpus_is_scored_once_for_both_bases(monkeypatch, tmp_path):
    asked, few = [], EDITS[:1]

    def score(workspace, name, settings, inputs, code):
        asked.append(name)
        raise LookupError(name)

    for name, replacement in {
        "open_score_stage": score,
        "protocol": lambda _, base: EDITS if base == "moved" else few,
        "shown_edits": lambda *_: EDITS,
        "make_counterparts": lambda _: SimpleNamespace(digest=""),
        "make_persons": lambda _: SimpleNamespace(digest=""),
        "lip_sync_file": lambda _: tmp_path / "none",
        "file_digest": lambda _: "",
        "make_edits": lambda *_: SimpleNamespace(digest=""),
    }.items():
        monkeypatch.setattr(results, name, replacement)
    workspace = SimpleNamespace(scale=load_scale("smoke"))
    for base, method in (("ned", "copy"), ("ned", "habit"), ("ned", "ned"), ("moved", "ned")):
        with pytest.raises(LookupError):
            results.score_method(workspace, base, method, 0)
    assert asked == ["moved/copy/seed0", "ned/habit/seed0", "ned/ned/seed0", "moved/ned/seed0"]
